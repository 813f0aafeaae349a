using System.Buffers.Binary;

namespace DistributedTrainer.Tests.Shared;

/// <summary>
/// Hands a reader of foreign bytes thousands of damaged and made-up inputs, always the same ones: each is read, or refused
/// in the way that is documented, in bounded time, and takes no more memory than its size warrants.
/// </summary>
internal static class Fuzz
{
    // So long no input of some kilobytes may take, on a machine that is busy with other things too.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private static readonly long[] Borders = [0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, 65535, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue, 1L << 31, 1L << 40];

    /// <param name="seed">The inputs follow from it.</param>
    /// <param name="inputs">So many.</param>
    /// <param name="samples">What is right, and is damaged.</param>
    /// <param name="factor">Bytes that may be allocated for each byte of an input.</param>
    /// <param name="free">Bytes that may be allocated for any input.</param>
    /// <param name="read">The reader. It throws where an input is refused in the way that is documented, and no other exception.</param>
    /// <param name="isRefusal">Whether an exception is the documented one.</param>
    /// <param name="everywhere">Whether the memory that all threads allocate counts: for readers that use several.</param>
    /// <returns>How many were read, and how many refused.</returns>
    public static (int Read, int Refused) Run(
        int seed, int inputs, IReadOnlyList<byte[]> samples, long factor, long free, Action<byte[]> read, Func<Exception, bool> isRefusal, bool everywhere = false)
    {
        // What is made once is made before anything is measured.
        foreach (var sample in samples)
        {
            read(sample);
        }

        var (random, done, refused) = (new Random(seed), 0, 0);
        for (var number = 0; number < inputs; number++)
        {
            var input = Input(random, samples);
            string Named(string what) => $"input {number} of {input.Length} bytes {what}: {Convert.ToBase64String(input)}";
            var allowed = (factor * input.Length) + free;
            (long Bytes, Exception? Problem) outcome = default;

            // What the runtime makes once, such as a method's code of the next tier, is on somebody's account: never twice.
            for (var times = 0; times == 0 || (times < 3 && outcome.Bytes > allowed); times++)
            {
                var reader = new Thread(() => outcome = Measured(input, read, everywhere), 16 << 20) { IsBackground = true };
                reader.Start();
                Assert.True(reader.Join(Limit), Named($"was not read within {Limit.TotalSeconds} s"));
            }

            Assert.True(outcome.Problem is null || isRefusal(outcome.Problem), Named($"ended with {outcome.Problem}"));
            Assert.True(outcome.Bytes <= allowed, Named($"took {outcome.Bytes} bytes of memory"));
            _ = outcome.Problem is null ? done++ : refused++;
        }

        return (done, refused);
    }

    private static (long, Exception?) Measured(byte[] input, Action<byte[]> read, bool everywhere)
    {
        long Allocated() => everywhere ? GC.GetTotalAllocatedBytes(precise: true) : GC.GetAllocatedBytesForCurrentThread();
        var before = Allocated();
        try
        {
            read(input);
            return (Allocated() - before, null);
        }
        catch (Exception problem)
        {
            return (Allocated() - before, problem);
        }
    }

    private static byte[] Input(Random random, IReadOnlyList<byte[]> samples)
    {
        if (random.Next(10) == 0)
        {
            var made = new byte[random.Next(2000)];
            random.NextBytes(made);
            return made;
        }

        var input = (byte[])samples[random.Next(samples.Count)].Clone();
        for (var changes = random.Next(1, 4); changes > 0 && input.Length > 0; changes--)
        {
            input = Changed(random, input, samples);
        }

        return input;
    }

    private static byte[] Changed(Random random, byte[] input, IReadOnlyList<byte[]> samples)
    {
        // Most of what decides stands at the ends of a file.
        var at = random.Next(3) switch
        {
            0 => random.Next(Math.Min(input.Length, 64)),
            1 => input.Length - 1 - random.Next(Math.Min(input.Length, 64)),
            _ => random.Next(input.Length),
        };
        var length = Math.Min(random.Next(1, 40), input.Length - at);
        switch (random.Next(9))
        {
            case 0:
                input[at] ^= (byte)(1 << random.Next(8));
                return input;
            case 1:
                input[at] = (byte)random.Next(256);
                return input;
            case 2:
                return input[..at];
            case 3:
                return [.. input[..at], .. input[(at + length)..]];
            case 4:
                return [.. input[..(at + length)], .. input[at..]];
            case 5:
                random.NextBytes(input.AsSpan(at, length));
                return input;
            case 6:
                var other = samples[random.Next(samples.Count)];
                return [.. input[..at], .. other[random.Next(other.Length)..]];
            case 7:
                Span<byte> number = stackalloc byte[8];
                var border = Borders[random.Next(Borders.Length)];
                if (random.Next(2) == 0)
                {
                    BinaryPrimitives.WriteInt64LittleEndian(number, border);
                }
                else
                {
                    BinaryPrimitives.WriteInt64BigEndian(number, border);
                }

                var width = Math.Min(1 << random.Next(4), input.Length - at);
                number[..width].CopyTo(input.AsSpan(at));
                return input;
            default:
                // Numbers in texts.
                var text = System.Text.Encoding.ASCII.GetBytes(Borders[random.Next(Borders.Length)].ToString(System.Globalization.CultureInfo.InvariantCulture));
                return [.. input[..at], .. text, .. input[(at + length)..]];
        }
    }
}
