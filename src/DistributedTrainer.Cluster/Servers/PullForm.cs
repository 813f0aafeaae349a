using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>In which form whoever pulls a version wants it.</summary>
internal enum PullForm
{
    /// <summary>The parameters.</summary>
    Plain,

    /// <summary>The parameters and the optimizer's state, so that later versions can be made of updates.</summary>
    WithState,

    /// <summary>The gradient of the step that leads to it: whoever pulls has the version before it, with the optimizer's state.</summary>
    Update,
}

/// <summary>How frames say it.</summary>
internal static class PullForms
{
    // In the flags of a pull and of a question, whose first bit is taken.
    private const byte TakesState = 2;
    private const byte HasState = 4;

    /// <summary>The flags of a pull or a question.</summary>
    public static byte Flags(PullForm form) => form switch
    {
        PullForm.Update => TakesState | HasState,
        PullForm.WithState => TakesState,
        _ => 0,
    };

    /// <summary>What a pull or a question asks for.</summary>
    public static PullForm In(byte flags) => (flags & TakesState) == 0 ? PullForm.Plain : (flags & HasState) == 0 ? PullForm.WithState : PullForm.Update;

    /// <summary>What a push asks for that wants the next version too.</summary>
    public static PullForm InPush(byte flags) =>
        (flags & PushFlags.Written) == 0 ? PullForm.Plain : (flags & PushFlags.HasState) == 0 ? PullForm.WithState : PullForm.Update;
}
