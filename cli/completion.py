"""``backtrain completion``: the script that lets a shell complete commands, keys and presets."""

import sys
from contextlib import suppress

#: Each asks ``backtrain completion words ...`` for whole words.
_BASH = """\
_backtrain() {
  local line="${COMP_LINE:0:COMP_POINT}" words=() word begun=""
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  word="${words[${#words[@]}-1]}"
  # bash completes what stands after the last of these.
  [[ "$COMP_WORDBREAKS" == *=* ]] && begun="${word%"${word##*[=:]}"}"
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("${word#"$begun"}")
    [[ "$word" == *[=.] ]] && compopt -o nospace 2> /dev/null
  done < <("${words[0]}" completion words "${words[@]:1}" 2> /dev/null)
}
complete -o default -F _backtrain backtrain"""
_ZSH = """\
#compdef backtrain
_backtrain() {
  local -a found
  found=("${(@f)$(${words[1]} completion words "${(@Q)words[2,CURRENT]}" 2> /dev/null)}")
  found=(${found:#})
  (( $#found )) || { compset -P '*='; _files; return }
  compadd -Q -S '' -- ${(M)found:#*[=.]}
  compadd -Q -- ${found:#*[=.]}
}
compdef _backtrain backtrain"""
_FISH = """\
complete -c backtrain -k -a \\
  '(backtrain completion words (commandline -opc)[2..] (commandline -ct) 2> /dev/null)'"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_HELP = """\
backtrain completion bash|zsh|fish

Prints what lets the shell complete commands, keys, presets and values. Put this into its file:
  bash  ~/.bashrc                    eval "$(backtrain completion bash)"
  zsh   ~/.zshrc, after compinit     eval "$(backtrain completion zsh)"
  fish  ~/.config/fish/config.fish   backtrain completion fish | source"""
#: Of commands that take no keys.
_ARGUMENTS = {"cache": ("info", "clear"), "completion": tuple(SCRIPTS)}


def main(arguments: list[str]) -> int:
    """Print a script, or, for a script, the words that the last one may become."""
    first, *words = arguments or ["--help"]
    if first == "words":
        with suppress(Exception):  # whoever presses a key wants no message
            for word in _following(words or [""]):
                print(word)
        return 0
    if first in SCRIPTS:
        print(SCRIPTS[first])
        return 0
    print(_HELP, file=sys.stdout if first in ("-h", "--help") else sys.stderr)
    return 0 if first in ("-h", "--help") else 2


def _following(words: list[str]) -> list[str]:
    from backtrain.cli.main import COMMANDS

    command, *rest = words
    if not rest:
        known = [*COMMANDS, "--help", "--version"]
        return [name for name in known if name.startswith(command)]
    if "key=value" in COMMANDS.get(command, ("",))[0]:
        from backtrain.config.candidates import candidates
        from backtrain.config.keys import RunKeys, SearchKeys, TuneKeys

        schemas = {"run": RunKeys, "tune": TuneKeys, "search": SearchKeys}
        name = command if command in schemas else "run"
        return candidates(rest, name, schemas[name])
    known = list(_ARGUMENTS.get(command, ()))
    if command == "list":
        from backtrain.cli.list import groups

        known = groups()
    return [name for name in known if name.startswith(rest[-1])]
