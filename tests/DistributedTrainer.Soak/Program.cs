using System.Globalization;
using System.Runtime.InteropServices;
using DistributedTrainer.Soak;
using DistributedTrainer.Soak.Network;

// soak [--tls] [SECONDS] [SEED]: a cluster of processes trains while they are killed, stopped, sent away and joined by others, and
// must come to what an undisturbed process comes to. soak network PREFIX [--tls] [SEED] [CASE…]: the same while links between
// hosts are cut. With --tls the cluster is closed to strangers. Exit code 0: all is well, 1: something is not, 2: wrong arguments.
using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    if (args is ["network", _, ..])
    {
        return await NetworkCommand.Run(args[1..], stop.Token);
    }

    int[] numbers = [600, 1];
    var closed = args is ["--tls", ..];
    var given = closed ? args[1..] : args;
    for (var i = 0; i < given.Length; i++)
    {
        if (i >= numbers.Length || !int.TryParse(given[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
        {
            Console.Error.WriteLine("soak: write soak.sh [--tls] [SECONDS] [SEED], two whole numbers.");
            return 2;
        }
    }

    await using var run = new SoakRun(TimeSpan.FromSeconds(numbers[0]), numbers[1], closed);
    return await run.Run(stop.Token) ? 0 : 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    Console.Error.WriteLine("Stopped; the processes are being ended.");
    return 1;
}

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
