namespace DistributedTrainer.Channels.Tests.Support;

/// <summary>A listener, one channel to it, and what both ends see.</summary>
internal sealed class Link : IDisposable
{
    private Link(IChannelListener listener, IChannel client, RecordingHandler clientHandler, IChannel server, RecordingHandler serverHandler)
    {
        Listener = listener;
        Client = client;
        ClientHandler = clientHandler;
        Server = server;
        ServerHandler = serverHandler;
    }

    public IChannelListener Listener { get; }

    public IChannel Client { get; }

    public RecordingHandler ClientHandler { get; }

    public IChannel Server { get; }

    public RecordingHandler ServerHandler { get; }

    public static Link Open(
        ITransport transport, string address, RecordingHandler? client = null, RecordingHandler? server = null,
        ChannelOptions? clientOptions = null, ChannelOptions? serverOptions = null)
    {
        client ??= new RecordingHandler();
        server ??= new RecordingHandler();
        var accepted = new TaskCompletionSource<IChannel>(TaskCreationOptions.RunContinuationsAsynchronously);
        var listener = transport.Listen(
            address,
            channel =>
            {
                accepted.SetResult(channel);
                return server;
            },
            serverOptions ?? new ChannelOptions());
        var connected = transport.Connect(listener.Address, client, clientOptions ?? new ChannelOptions());
        return new Link(listener, connected, client, accepted.Task.Await("accept"), server);
    }

    /// <summary>Closes both ends, and checks what must hold for every channel.</summary>
    public void Dispose()
    {
        Client.Dispose();
        Server.Dispose();
        Listener.Dispose();
        foreach (var handler in new[] { ClientHandler, ServerHandler })
        {
            handler.AwaitClosed();
            handler.AssertRulesKept();
            Assert.Equal(1, handler.Closings);
        }

        Assert.False(Client.IsOpen);
        Assert.False(Server.IsOpen);
    }
}
