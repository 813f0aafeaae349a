using System.Net.Sockets;

namespace DistributedTrainer.Channels.Sockets;

/// <summary>The file of a Unix domain socket. It outlives a killed process.</summary>
internal static class SocketFile
{
    /// <summary>
    /// Held from checking a path until it is bound, and while a bound socket is closed, which removes the file: otherwise
    /// one listener of this process could remove the file of another.
    /// </summary>
    public static readonly object Gate = new();

    /// <summary>Removes the file when it is a socket that nobody answers.</summary>
    /// <exception cref="IOException">Somebody answers, or the file is something else.</exception>
    public static void RemoveStale(string path)
    {
        if (Directory.Exists(path) || File.Exists(path) && !IsSocket(path)) throw new IOException($"listen: {path} exists and is no socket. Choose another path or remove it.");
        if (!File.Exists(path)) return;
        using (var probe = SocketAddress.CreateSocket(new UnixDomainSocketEndPoint(path)))
        {
            // A listener whose queue is full would hold up a blocking call.
            probe.Blocking = false;
            try
            {
                probe.Connect(new UnixDomainSocketEndPoint(path));
                throw new IOException($"listen: somebody else listens at {path}");
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionRefused)
            {
                // Left behind by a process that was killed.
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
            {
                throw new IOException($"listen: somebody else listens at {path}");
            }
            catch (SocketException e)
            {
                throw new IOException($"listen: {path} can't be checked: {e.Message}", e);
            }
        }

        File.Delete(path);
    }

    /// <summary>Removes what processes left behind that were killed; what cannot be removed (another user's) stays.</summary>
    public static void Sweep(string directory, string pattern)
    {
        foreach (var path in Directory.EnumerateFiles(directory, pattern))
        {
            try
            {
                RemoveStale(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // In use, or not ours.
            }
        }
    }

    /// <summary>Only for this user.</summary>
    public static void Restrict(string path)
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    // .NET does not tell file types apart, but a socket is the one thing that exists and can't be opened as a file.
    private static bool IsSocket(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
