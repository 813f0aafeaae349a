using System.CommandLine;
using DistributedTrainer.Cli.Exporting;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Planning;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain export</c>: a model for other programs.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        var model = ModelArguments.Model();
        var format = new Option<string>("--format") { Description = "onnx (preprocessing included: raw rows go in, probabilities or values come out) or safetensors.", HelpName = "NAME", DefaultValueFactory = static _ => "onnx" };
        format.AcceptOnlyFromAmong("onnx", "safetensors");
        var file = new Option<string?>("--out") { Description = "The file that is written. Default: model.onnx or model.safetensors in this folder.", HelpName = "FILE" };
        var json = new ExperimentArguments().Json;
        var command = new Command("export", "Writes a trained model as ONNX or safetensors. Example: dtrain export runs/flowers --format onnx --out flowers.onnx")
        {
            model, format, file, json,
        };
        command.SetAction(parsed =>
        {
            var problems = new List<string>();
            var trained = SavedModel.Load(parsed.GetValue(model)!, problems);
            if (Problems.Print(problems))
            {
                return ExitCodes.UsageWrong;
            }

            var kind = parsed.GetValue(format)!;
            var path = Path.GetFullPath(parsed.GetValue(file) ?? $"model.{kind}");
            try
            {
                if (kind == "onnx")
                {
                    File.WriteAllBytes(path, OnnxExport.Write(trained!));
                }
                else if (path != Path.GetFullPath(trained!.Path))
                {
                    File.Copy(trained.Path, path, overwrite: true);
                }
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or NotSupportedException)
            {
                Console.Error.WriteLine($"{path}: the model cannot be written: {problem.Message}");
                return ExitCodes.UsageWrong;
            }

            Console.Out.WriteLine(parsed.GetValue(json) ? JsonText.Of(new { File = path, Format = kind, Bytes = new FileInfo(path).Length }) : path);
            return ExitCodes.Done;
        });
        return command;
    }
}
