using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Factorization;

namespace DistributedTrainer.Engine.Models;

/// <summary>Linear regression, y = w · x + b, solved directly. I inputs, O outputs.</summary>
/// <param name="Weights">w (O,I), row-major.</param>
/// <param name="Intercepts">b (O).</param>
public sealed record LinearSolution(IReadOnlyList<double> Weights, IReadOnlyList<double> Intercepts)
{
    /// <summary>The outputs (O) for one row (I).</summary>
    /// <exception cref="ArgumentException">The row has another number of columns.</exception>
    public double[] Predict(ReadOnlySpan<double> row)
    {
        if (row.Length * Intercepts.Count != Weights.Count)
        {
            throw new ArgumentException($"least squares: the row has {row.Length} columns, the solution has {Weights.Count / Intercepts.Count}.", nameof(row));
        }

        var outputs = Intercepts.ToArray();
        for (var i = 0; i < Weights.Count; i++)
        {
            outputs[i / row.Length] += Weights[i] * row[i % row.Length];
        }

        return outputs;
    }
}

/// <summary>
/// The direct solution of linear regression: min Σ (y − w · x − b)² + λ ‖w‖² by a QR decomposition in float64, which does
/// not square the condition as the normal equations do. The intercept b is not penalised: it drops out when columns are
/// centred. λ is that of a sum over rows: weight decay λ₂ with the mean squared error of B rows of one output is λ = B λ₂ / 2.
/// B rows, I inputs, O outputs. Source: Golub, 1965; ridge: Hoerl, Kennard, 1970.
/// </summary>
public static class LeastSquares
{
    // A column whose distance from the others is below this share of its length is no column of its own: rounding alone.
    private const double RoundingOfDouble = 1e-12;
    private const double RoundingOfSingle = 5e-7;

    /// <summary>Solves for float64 numbers.</summary>
    /// <param name="x">Inputs (B,I).</param>
    /// <param name="y">Targets (B,O).</param>
    /// <param name="rows">B.</param>
    /// <param name="ridge">λ, 0 or more. Default 0.</param>
    /// <param name="names">Names of the columns (I), for errors; their numbers from 0 where not given.</param>
    /// <exception cref="ArgumentException">Lengths do not fit, a number is not finite, or the system is singular: names the collinear columns.</exception>
    public static LinearSolution Fit(ReadOnlySpan<double> x, ReadOnlySpan<double> y, int rows, double ridge = 0, IReadOnlyList<string>? names = null) =>
        Fit(x, y, rows, ridge, names, RoundingOfDouble);

    /// <summary>The same for float32 numbers: columns that are collinear but for their rounding are refused too.</summary>
    /// <inheritdoc cref="Fit(ReadOnlySpan{double}, ReadOnlySpan{double}, int, double, IReadOnlyList{string}?)"/>
    public static LinearSolution Fit(ReadOnlySpan<float> x, ReadOnlySpan<float> y, int rows, double ridge = 0, IReadOnlyList<string>? names = null) =>
        Fit(Widen(x), Widen(y), rows, ridge, names, RoundingOfSingle);

    /// <summary>x, x², …, x^degree of each number, (B,degree): polynomial regression is linear regression on these. The constant is the intercept.</summary>
    /// <param name="x">Numbers (B).</param>
    /// <param name="degree">The highest power, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The degree is below 1.</exception>
    public static double[] Powers(ReadOnlySpan<double> x, int degree)
    {
        if (degree < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(degree), $"polynomial: degree is {degree}, it must be at least 1.");
        }

        var powers = new double[x.Length * degree];
        for (var i = 0; i < powers.Length; i++)
        {
            powers[i] = i % degree == 0 ? x[i / degree] : powers[i - 1] * x[i / degree];
        }

        return powers;
    }

    private static LinearSolution Fit(ReadOnlySpan<double> x, ReadOnlySpan<double> y, int rows, double ridge, IReadOnlyList<string>? names, double rounding)
    {
        Check(x, y, rows, ridge, names);
        var (columns, outputs) = (x.Length / rows, y.Length / rows);
        var (design, xMeans) = Centred(x, rows, columns);
        var (targets, yMeans) = Centred(y, rows, outputs);
        QR<double> decomposition;
        if (ridge > 0)
        {
            // Rows √λ · I with target 0 add λ ‖w‖² to the sum of squares.
            decomposition = design.Stack(Matrix<double>.Build.DenseDiagonal(columns, Math.Sqrt(ridge))).QR(QRMethod.Thin);
            targets = targets.Stack(Matrix<double>.Build.Dense(columns, outputs));
        }
        else
        {
            if (rows <= columns)
            {
                throw new ArgumentException(
                    $"least squares: {rows} rows cannot determine {columns} weights and an intercept, {columns + 1} rows at least are needed. Take more rows, fewer columns, or a ridge above 0.");
            }

            decomposition = design.QR(QRMethod.Thin);
            var lengths = Lengths(x, columns);
            if (decomposition.R.Diagonal().Select((r, j) => !(Math.Abs(r) > rounding * lengths[j])).Any(static lost => lost))
            {
                ThrowCollinear(design, lengths, rounding, names);
            }
        }

        var w = decomposition.Solve(targets).Transpose();
        var intercepts = yMeans - (w * xMeans);
        return new LinearSolution(w.ToRowMajorArray(), intercepts.ToArray());
    }

    private static void Check(ReadOnlySpan<double> x, ReadOnlySpan<double> y, int rows, double ridge, IReadOnlyList<string>? names)
    {
        if (rows < 1 || x.Length == 0 || y.Length == 0 || x.Length % rows != 0 || y.Length % rows != 0)
        {
            throw new ArgumentException($"least squares: {x.Length} inputs and {y.Length} targets do not fit {rows} rows. Both must be whole rows of one column at least.");
        }

        if (!(ridge >= 0) || !double.IsFinite(ridge))
        {
            throw new ArgumentOutOfRangeException(nameof(ridge), $"least squares: ridge is {ridge}, it must be a number, 0 or more.");
        }

        if (names is not null && names.Count != x.Length / rows)
        {
            throw new ArgumentException($"least squares: there are {names.Count} names for {x.Length / rows} columns.", nameof(names));
        }

        CheckFinite("input", x, x.Length / rows);
        CheckFinite("target", y, y.Length / rows);
    }

    private static void CheckFinite(string what, ReadOnlySpan<double> values, int columns)
    {
        for (var i = 0; i < values.Length; i++)
        {
            if (!double.IsFinite(values[i]))
            {
                throw new ArgumentException($"least squares: {what} {i % columns} of row {i / columns} is {values[i]}, it must be a finite number.");
            }
        }
    }

    /// <summary>Names each column that lies in the span of the intercept and the columns before it, with those that make it.</summary>
    private static void ThrowCollinear(Matrix<double> design, double[] lengths, double rounding, IReadOnlyList<string>? names)
    {
        string Name(int column) => names is null ? $"column {column}" : $"column {names[column]}";
        var independent = new List<int>();
        var problems = new List<string>();
        for (var j = 0; j < design.ColumnCount; j++)
        {
            var column = design.Column(j);
            var coefficients = independent.Count == 0 ? [] : Others(design, independent).QR(QRMethod.Thin).Solve(column).ToArray();
            var rest = independent.Count == 0 ? column : column - (Others(design, independent) * Vector<double>.Build.Dense(coefficients));
            if (rest.L2Norm() > 2 * rounding * lengths[j])
            {
                independent.Add(j);
                continue;
            }

            // A column with a share that is lost in the rounding has no part in it.
            var parts = independent.Where((other, i) => Math.Abs(coefficients[i]) * lengths[other] > Math.Sqrt(rounding) * lengths[j]).Select(Name).ToArray();
            problems.Add(parts.Length == 0 ? $"{Name(j)} is constant, as the intercept is" : $"{Name(j)} is a linear combination of {string.Join(" and ", parts)}");
        }

        throw new ArgumentException($"least squares: the system is singular: {string.Join("; ", problems)}. Leave such columns out, or take a ridge above 0.");
    }

    private static Matrix<double> Others(Matrix<double> design, List<int> columns) => Matrix<double>.Build.DenseOfColumnVectors(columns.Select(design.Column));

    private static (Matrix<double> Values, Vector<double> Means) Centred(ReadOnlySpan<double> values, int rows, int columns)
    {
        var matrix = Matrix<double>.Build.DenseOfRowMajor(rows, columns, values.ToArray());
        var means = matrix.ColumnSums() / rows;
        return (matrix.MapIndexed((_, column, value) => value - means[column], Zeros.Include), means);
    }

    private static double[] Lengths(ReadOnlySpan<double> values, int columns)
    {
        var squares = new double[columns];
        for (var i = 0; i < values.Length; i++)
        {
            squares[i % columns] += values[i] * values[i];
        }

        return Array.ConvertAll(squares, Math.Sqrt);
    }

    private static double[] Widen(ReadOnlySpan<float> values)
    {
        var wide = new double[values.Length];
        for (var i = 0; i < wide.Length; i++)
        {
            wide[i] = values[i];
        }

        return wide;
    }
}
