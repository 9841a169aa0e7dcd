#!/usr/bin/env bash
# Runs a small real bench (the pocket pair, both engines) in environments that have broken it, and says what came of it.
#
#   tools/environments.sh [NAME ...]        every environment, or those named; `tools/environments.sh list` names them
#
# TT_SCALE_PYTHON  the Python of an environment with tt_scale; .venv/bin/python where it is not set
# TT_SCALE_WORK    a folder for what it makes, kept; a temporary one, removed, where it is not set
#
# One line each: pass, FAIL or skip, seconds, the name, and why. The exit status is 1 where something failed. Nothing
# outside the folder is changed: mounts and networks are those of namespaces, which end with the command in them.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${TT_SCALE_PYTHON:-$root/.venv/bin/python}
names=(plain transformers avx2 one_core small_shm two_workers no_network no_loopback unwritable_home no_home other_user spaces
    long_tmpdir read_only_folder odd_locale ascii_locale narrow_terminal no_compiler bare_path foreign_modules interrupted
    interrupted_early terminated little_memory python3.10 python3.11 python3.12 python3.13)
limit=${TT_SCALE_LIMIT:-600} # seconds for one environment
problems=4

if [ "${1:-}" = list ]; then
    printf '%s\n' "${names[@]}"
    exit
fi
if [ ! -x "$python" ]; then
    echo "There is no Python at $python. Type: make bench, or set TT_SCALE_PYTHON." >&2
    exit 2
fi
for name in "$@"; do
    case " ${names[*]} " in
    *" $name "*) ;;
    *) echo "There is no environment $name. Type: tools/environments.sh list" >&2 && exit 2 ;;
    esac
done
work=${TT_SCALE_WORK:-$(mktemp -d)}
mkdir -p "$work"
[ -n "${TT_SCALE_WORK:-}" ] || trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT

skipped=77 # a status of ours: the machine cannot make this environment
why=

skip() { # REASON
    echo "$1" >"$here/why"
    return $skipped
}

# What every environment runs. `here` is its folder, with a TMPDIR and an output folder of its own.
bench=(-m tt_scale bench --config pocket --dtype float32 --method best_of_n --method beam_search
    --num-samples "$problems" --N 2 --max-total-branches 2 --keeping-branches 1)

small_bench() { # COMMAND THAT RUNS PYTHON ...
    timeout "$limit" "$@" "${bench[@]}" --output-dir "$here/logs"
}

namespaces() { # OPTIONS OF UNSHARE -- SHELL LINE -- COMMAND ...: sets up a namespace by a line of shell
    local options=() line
    while [ "$1" != -- ]; do options+=("$1") && shift; done
    line=$2
    shift 3
    [ "$(id -u)" = 0 ] || options+=(--map-root-user)
    unshare "${options[@]}" true 2>/dev/null || { skip "this machine makes no namespaces" || return; }
    unshare "${options[@]}" sh -c "$line" 2>/dev/null || { skip "not allowed: $line" || return; }
    small_bench unshare "${options[@]}" sh -c "$line"' && exec "$@"' sh "$@"
}

in_plain() { small_bench "$python"; }
in_transformers() { bench+=(--generator huggingface --prm huggingface) && small_bench "$python"; }
in_avx2() { ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 small_bench "$python"; }

in_one_core() {
    command -v taskset >/dev/null || { skip "no taskset" || return; }
    small_bench taskset -c "$(taskset -pc $$ | sed 's/.*: //; s/[,-].*//')" "$python"
}

in_small_shm() { # Docker's default
    namespaces --mount -- 'mount -t tmpfs -o size=64m tmpfs /dev/shm' -- "$python"
}

in_two_workers() { # cannot do without shared memory, and has to say so
    bench+=(--tensor-parallel-size 2)
    namespaces --mount -- 'mount -t tmpfs -o size=64m tmpfs /dev/shm' -- "$python"
    refused $? 'needs 160 MiB in /dev/shm; 6[0-9] MiB are free. .*--shm-size'
}

in_no_network() { # `docker --network none`
    namespaces --net -- 'ip link set lo up' -- "$python"
}

in_no_loopback() { # PyTorch cannot do without, and the message has to say so
    namespaces --net -- true -- "$python"
    refused $? 'Unable to find interface for: .*ip link set lo up'
}

in_unwritable_home() {
    mkdir -p "$here/home"
    if [ "$(id -u)" = 0 ]; then # may write anywhere, but not to what is mounted read-only
        HOME=$here/home namespaces --mount -- "mount -t tmpfs -o ro tmpfs '$here/home'" -- "$python"
    else
        chmod a-w "$here/home"
        HOME=$here/home small_bench "$python"
    fi
}

in_no_home() { small_bench env -u HOME -u XDG_CACHE_HOME "$python"; }

in_other_user() { # one without a name, as `docker --user 12345`
    local again='import subprocess, sys, tt_scale; subprocess.run([sys.executable, "-c", ""], check=True)'
    chmod -R a+rwX "$here"
    if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null \
        && setpriv --reuid 12345 --regid 12345 --clear-groups "$python" -c "$again" 2>/dev/null; then
        HOME=/ small_bench setpriv --reuid 12345 --regid 12345 --clear-groups "$python"
    elif unshare --user --map-user=12345 --map-group=12345 true 2>/dev/null; then
        HOME=/ small_bench unshare --user --map-user=12345 --map-group=12345 "$python"
    else
        skip "no other user can run $python"
    fi
}

in_spaces() {
    mkdir -p "$here/my folder é/logs" "$here/tmp/a b"
    ln -s "$(dirname "$(dirname "$python")")" "$here/my folder é/venv"
    ln -s "$root" "$here/my folder é/tt scale"
    cd "$here/my folder é" || return
    TMPDIR="$here/tmp/a b" PYTHONPATH="$here/my folder é/tt scale" \
        timeout "$limit" ./venv/bin/python "${bench[@]}" --output-dir "my logs" || return
    left_behind "$here/tmp/a b" || return
    rmdir "$here/tmp/a b"
}

in_long_tmpdir() { # a socket's name has 107 bytes
    local long
    long=$here/tmp/$(printf 'x%.0s' {1..120})
    mkdir -p "$long"
    TMPDIR=$long small_bench "$python" || return
    left_behind "$long" && rmdir "$long"
}

in_read_only_folder() {
    mkdir -p "$here/read_only"
    if [ "$(id -u)" = 0 ]; then
        namespaces --mount -- "mount -t tmpfs -o ro tmpfs '$here/read_only' && cd '$here/read_only'" -- "$python"
    else
        chmod a-w "$here/read_only"
        cd "$here/read_only" && small_bench "$python"
    fi
}

in_odd_locale() { small_bench env LANG=xx_YY LC_ALL=tr_TR.ISO-8859-9 "$python"; }

in_ascii_locale() { # PyTorch cannot read its own files there, and the message has to name the way out
    small_bench env -u LANG LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0 "$python"
    refused $? 'PYTHONUTF8=1'
}

in_narrow_terminal() {
    command -v script >/dev/null || { skip "no script" || return; }
    local line
    printf -v line '%q ' "$python" "${bench[@]}" --output-dir "$here/logs"
    COLUMNS=80 LINES=24 TERM=xterm-256color timeout "$limit" script -qec "stty cols 80; $line" /dev/null </dev/null
}

in_no_compiler() {
    mkdir -p "$here/bin"
    local file
    for file in /usr/local/bin/* /usr/bin/* /bin/* /usr/sbin/* /sbin/*; do
        case ${file##*/} in
        *gcc* | *g++* | cc | c++ | c[89]9* | *clang* | ld | ld.* | *-ld* | nvcc | tcc | ninja | cmake) ;;
        *) ln -sf "$file" "$here/bin/" 2>/dev/null ;;
        esac
    done
    PATH=$here/bin CC=/nowhere/cc CXX=/nowhere/c++ small_bench "$python"
}

in_bare_path() { # vLLM cannot do without lscpu, and the message has to say so
    small_bench env PATH=/nowhere "$python"
    refused $? 'lscpu.*install util-linux'
}

in_foreign_modules() {
    mkdir -p "$here/folder/vllm" "$here/folder/tests"
    local name
    for name in random types socket signal logging torch transformers psutil click rich json bench vllm/__init__; do
        echo "raise SystemExit('the foreign module $name was imported')" >"$here/folder/$name.py"
    done
    cd "$here/folder" || return
    timeout "$limit" "$(dirname "$python")/tt-scale" "${bench[@]:2}" --output-dir "$here/logs"
}

ended_by() { # SIGNAL, a line of output to wait for, wanted status: ends a bench as a person does
    local process waited=0 status listening=()
    problems=200
    # a shell in the background has its commands ignore Ctrl-C
    env --default-signal=INT true 2>/dev/null && listening=(env --default-signal=INT)
    set -m
    "${listening[@]}" "$python" "${bench[@]}" --num-samples 200 --output-dir "$here/logs" &
    process=$!
    set +m
    until grep -q "$2" "$here/out" || [ $((waited += 1)) -gt "$limit" ]; do sleep 1; done
    sleep 3
    kill -s "$1" -- "-$process"
    wait "$process"
    status=$?
    [ "$status" = "$3" ] || { echo "status $status, not $3" >"$here/why" && return 1; }
    waited=0
    while pgrep -g "$process" >/dev/null; do
        sleep 1
        [ $((waited += 1)) -lt 20 ] || { echo "left running: $(pgrep -a -g "$process" | head -3)" >"$here/why" && return 1; }
    done
}

in_interrupted() { ended_by INT '^Loaded' 130; }
in_interrupted_early() { ended_by INT '^Loading' 130; }
in_terminated() { ended_by TERM '^Loaded' 143; }

in_little_memory() { # 1 GiB, as `docker --memory 1g`
    local group=/sys/fs/cgroup/memory/tt_scale-$$ file=memory.limit_in_bytes
    [ -e /sys/fs/cgroup/cgroup.controllers ] && group=/sys/fs/cgroup/tt_scale-$$ file=memory.max
    if ! mkdir "$group" 2>/dev/null || ! echo $((1 << 30)) >"$group/$file" 2>/dev/null; then
        rmdir "$group" 2>/dev/null
        skip "no memory can be limited here"
        return
    fi
    (echo "$BASHPID" >"$group/cgroup.procs" && small_bench "$python")
    local status=$?
    sleep 1
    rmdir "$group" 2>/dev/null
    refused $status 'need at least [0-9.]* GiB of memory; [01]\.[0-9] GiB are free'
}

refused() { # STATUS of the bench, PATTERN of the message: it ended with status 2 and said why
    [ "$1" = $skipped ] && return $skipped
    if [ "$1" = 2 ] && tr '\n' ' ' <"$here/err" | grep -Eq "$2"; then
        expected_refusal=1
        return 0
    fi
    echo "status $1, $(tail -1 "$here/err")" >"$here/why"
    return 1
}

other_python() { # VERSION: a fresh environment, set up by make
    local interpreter
    interpreter=$(command -v "python$1") && "$interpreter" -c '' 2>/dev/null || interpreter=
    [ -n "$interpreter" ] || interpreter=$(ls -d "$HOME"/.pyenv/versions/"$1".*/bin/python 2>/dev/null | tail -1)
    [ -n "$interpreter" ] || { skip "no Python $1" || return; }
    if [ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$1" ]; then
        skip "is the one of the others"
        return
    fi
    (cd "$root" && TMPDIR=/tmp make --no-print-directory "VENV=$work/venv-$1" "PYTHON=$interpreter" "$work/venv-$1/.ready") \
        || { echo "cannot be set up" >"$here/why" && return 1; }
    small_bench "$work/venv-$1/bin/python"
}

left_behind() { # FOLDER: fails where something lies in it
    local left
    left=$(find "$1" -mindepth 1 | head -3 | tr '\n' ' ')
    [ -z "$left" ] || { echo "left behind: $left" >"$here/why" && return 1; }
}

complaint() { # what must not be in the output of a run that passed
    grep -Eh -m1 'Traceback|No CUDA runtime|ERROR|Exception|UserWarning|FutureWarning' "$here/out" "$here/err"
}

try() { # NAME
    here=$work/$1
    rm -rf "$here"
    mkdir -p "$here/tmp"
    : >"$here/out" >"$here/err"
    local began=$SECONDS status expected_refusal=
    (
        export TMPDIR=$here/tmp PYTHONPATH=$root VLLM_LOGGING_LEVEL=ERROR
        case $1 in python*) other_python "${1#python}" ;; *) "in_$1" ;; esac
        status=$?
        [ $status != 0 ] || [ -n "$expected_refusal" ] || case $1 in *interrupted* | terminated) ;; *)
            [ "$(find "$here" -name problems.jsonl -exec cat {} + | wc -l)" = $((2 * problems)) ] \
                || { echo "not every problem has a record" >"$here/why" && status=1; } ;;
        esac
        [ $status != 0 ] || left_behind "$here/tmp" || status=1
        exit $status
    ) >>"$here/out" 2>>"$here/err" </dev/null
    status=$?
    why=$(cat "$here/why" 2>/dev/null)
    case $status in
    0)
        why=$(complaint) && status=1
        [ $status = 0 ] && printf 'pass %4d s  %s\n' $((SECONDS - began)) "$1" && return
        ;;
    "$skipped") printf 'skip %4d s  %s: %s\n' $((SECONDS - began)) "$1" "$why" && return ;;
    124) why="took more than $limit s" ;;
    esac
    printf 'FAIL %4d s  %s: %s\n' $((SECONDS - began)) "$1" "${why:-status $status, $(tail -1 "$here/err")}"
    return 1
}

failed=0
[ $# -gt 0 ] || set -- "${names[@]}"
for name in "$@"; do
    try "$name" || failed=1
done
exit $failed
