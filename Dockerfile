# One image for every role: `dtrain` with what it needs, and the .NET runtime below it.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source

# Packages change less often than code: they are a layer of their own, which is built again only when these files change.
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY src/DistributedTrainer/*.csproj src/DistributedTrainer/
COPY src/DistributedTrainer.Channels/*.csproj src/DistributedTrainer.Channels/
COPY src/DistributedTrainer.Cli/*.csproj src/DistributedTrainer.Cli/*.targets src/DistributedTrainer.Cli/
COPY src/DistributedTrainer.Cluster/*.csproj src/DistributedTrainer.Cluster/
COPY src/DistributedTrainer.Dashboard/*.csproj src/DistributedTrainer.Dashboard/
COPY src/DistributedTrainer.Data/*.csproj src/DistributedTrainer.Data/
COPY src/DistributedTrainer.Engine/*.csproj src/DistributedTrainer.Engine/
COPY src/DistributedTrainer.Experiments/*.csproj src/DistributedTrainer.Experiments/
COPY src/DistributedTrainer.Protocol/*.csproj src/DistributedTrainer.Protocol/
RUN dotnet restore src/DistributedTrainer.Cli --use-current-runtime -p:Configuration=Release

# A Release build is compiled ahead (CompileAhead.targets), and so is what is published.
COPY .editorconfig ./
COPY cluster-config cluster-config
COPY src src
RUN dotnet publish src/DistributedTrainer.Cli -c Release --no-restore --use-current-runtime --no-self-contained -o /app \
      -p:DebugType=none -p:PublishDocumentationFiles=false -p:PublishReferencesDocumentationFiles=false \
 && mkdir -p /data/runs /data/cache

FROM mcr.microsoft.com/dotnet/aspnet:10.0
COPY --from=build /app /app
# A volume that is mounted in it for the first time takes over to whom it belongs.
COPY --from=build --chown=1654:1654 /data /data

# By number, so that whoever runs it can see that it is not root; it needs no name and no home.
USER 1654:1654
WORKDIR /data
ENV PATH="/app:$PATH" \
    DOTNET_EnableDiagnostics=0 \
    DTRAIN_BIND=0.0.0.0 \
    DTRAIN_HOST=hostname \
    DTRAIN_PORT=4053 \
    DTRAIN_RUNS=/data/runs \
    DTRAIN_CACHE=/data/cache
VOLUME /data/runs /data/cache
EXPOSE 4053 7070
STOPSIGNAL SIGTERM

# Asks the node's own health endpoint, at DTRAIN_HEALTH_PORT; without one there is nothing to ask.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["dtrain", "health"]
ENTRYPOINT ["dtrain"]
CMD ["--help"]
