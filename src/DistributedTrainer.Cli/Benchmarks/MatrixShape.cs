using System.Globalization;
using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>The size of a linear layer's products: M rows of a batch, K inputs, N outputs; written MxKxN.</summary>
internal readonly record struct MatrixShape(int M, int K, int N)
{
    // A matrix of more elements does not fit into a span.
    private const long MostElements = 1 << 30;

    /// <summary>Operations of any of its products; a multiply-add counts as two.</summary>
    public double Operations => 2.0 * M * K * N;

    /// <summary>Reads a list such as "128x784x512,64x64x64".</summary>
    /// <param name="text">The list.</param>
    /// <param name="problems">Receives what is wrong with it.</param>
    public static List<MatrixShape> ParseList(string text, ICollection<string> problems)
    {
        var shapes = new List<MatrixShape>();
        foreach (var item in text.Split(',', StringSplitOptions.TrimEntries))
        {
            var sizes = item.Split('x').Select(static part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? size : 0).ToArray();
            if (sizes.Length != 3 || sizes.Any(static size => size < 1))
            {
                problems.Add($"--sizes: '{item}' is no size. Write MxKxN with whole numbers above 0, such as 128x784x512.");
            }
            else if (Math.Max((long)sizes[0] * Math.Max(sizes[1], sizes[2]), (long)sizes[1] * sizes[2]) > MostElements)
            {
                problems.Add($"--sizes: {item} has a matrix of more than {MostElements} elements. Write a smaller one.");
            }
            else
            {
                shapes.Add(new MatrixShape(sizes[0], sizes[1], sizes[2]));
            }
        }

        return shapes;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{M}x{K}x{N}");
}

/// <summary>One of the three products that training a linear layer needs. x(M,K), w(N,K), dy(M,N).</summary>
/// <param name="Name">On the command line.</param>
/// <param name="Text">What it computes.</param>
/// <param name="Lengths">Elements of a, b and c.</param>
/// <param name="Compute">c from a and b.</param>
internal sealed record LayerProduct(
    string Name, string Text, Func<MatrixShape, (int A, int B, int C)> Lengths, Action<MatrixShape, float[], float[], float[]> Compute)
{
    /// <summary>The forward pass, the weight gradient, the input gradient.</summary>
    public static IReadOnlyList<LayerProduct> All { get; } =
    [
        // x(M,K) · wᵀ(K,N) → y(M,N)
        new("xw", "x·wᵀ", static s => (s.M * s.K, s.N * s.K, s.M * s.N), static (s, x, w, y) => MatrixProduct.MultiplyByTransposed(x, w, y, s.M, s.N, s.K)),

        // dyᵀ(N,M) · x(M,K) → dw(N,K)
        new("dyx", "dyᵀ·x", static s => (s.M * s.N, s.M * s.K, s.N * s.K), static (s, dy, x, dw) => MatrixProduct.TransposedMultiply(dy, x, dw, s.N, s.K, s.M)),

        // dy(M,N) · w(N,K) → dx(M,K)
        new("dyw", "dy·w", static s => (s.M * s.N, s.N * s.K, s.M * s.K), static (s, dy, w, dx) => MatrixProduct.Multiply(dy, w, dx, s.M, s.K, s.N)),
    ];
}
