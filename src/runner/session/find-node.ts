/** The oldest Node that runs the host program. */
export const OLDEST_NODE = 16;

/**
 * Runs in the host's own Node: reads the opening from the first line of stdin, or from the one after an upload, writes the host
 * program down and hands over to it, or to the one that an earlier session has written down. Where it is to follow a deploy that is not there,
 * it makes that one's run directory with a cancel in it, so that nothing begins under that id any more, and answers
 * `absent`. A plan that only looks is carried out by the program in memory, and so is an upload taken. It stands between single quotes in a shell script, and so has none itself. Any Node back to 16 runs it.
 */
export const LOADER = String.raw`
(function () {
  var fs = require("fs"), os = require("os"), path = require("path");
  var nonce = process.env.PM2_SSH_DEPLOY_NONCE;
  delete process.env.PM2_SSH_DEPLOY_NONCE;
  var program = null, files = null;
  function fail(error) {
    var text = JSON.stringify(String((error && error.message) || error));
    process.stdout.write("\n" + nonce + " failed " + text + "\n", function () { process.exit(1); });
  }
  function make(directory) {
    try {
      fs.mkdirSync(directory, { mode: 448 });
      return true;
    } catch (error) {
      if (error.code === "EEXIST") return false;
      throw error;
    }
  }
  // The program lies there, and is run: whoever else can write there would say what this user runs.
  function requirePrivate(directory) {
    var stat = fs.lstatSync(directory);
    if (stat.isDirectory() && stat.uid === process.geteuid() && (stat.mode & 63) === 0) return;
    var what = !stat.isDirectory() ? "is a link or a file" : stat.uid !== process.geteuid() ? "belongs to the user with id " + stat.uid : "is open to other users (mode " + (stat.mode & 4095).toString(8) + ")";
    throw new Error(directory + " " + what + ". It must be a directory of this user alone, so nothing was done with it. Look at it on the server with: ls -ld " + directory + ". Close it with chmod 700 if it is yours, or move it away, and run the job again.");
  }
  function rejoin(runDir, opening, rest, until) {
    var isNew = make(runDir);
    if (!isNew && fs.existsSync(path.join(runDir, "program.json"))) {
      require(path.join(runDir, "follower.js")).rejoin({ nonce: nonce, runDir: runDir, programFile: path.join(runDir, "host.js"), plan: opening.plan, offset: opening.offset, rest: rest });
    } else if (!isNew && Date.now() < until) {
      setTimeout(function () {
        try { rejoin(runDir, opening, rest, until); } catch (error) { fail(error); }
      }, 50);
    } else {
      var cancel = JSON.stringify({ type: "cancel", reason: opening.refusal });
      fs.appendFileSync(path.join(runDir, "control.ndjson"), cancel + "\n", { mode: 384 });
      process.stdout.write("\n" + nonce + " absent\n", function () { process.exit(0); });
    }
  }
  // Whoever follows reads the small follower alone: the host program takes ten times as long to read.
  function unpack() {
    if (!files) {
      var both = require("zlib").inflateSync(Buffer.from(program, "base64")), end = both.indexOf(0);
      files = { "follower.js": both.slice(0, end), "host.js": both.slice(end + 1) };
    }
    return files;
  }
  function inMemory() {
    var Module = require("module"), host = new Module("pm2-ssh-deploy");
    host._compile(unpack()["host.js"].toString("utf8"), "pm2-ssh-deploy.js");
    return host.exports;
  }
  function begin(opening, rest) {
    program = opening.program || program;
    // The deploy that an upload is for comes after it, in the same session.
    if (opening.deliver) return inMemory().receive({ nonce: nonce, deliver: opening.deliver, rest: rest, next: read });
    // What only looks leaves no file behind.
    if (opening.plan.mode === "check" || opening.plan.mode === "status") return inMemory().look({ nonce: nonce, plan: opening.plan });
    var given = process.env.XDG_STATE_HOME;
    var state = given && path.isAbsolute(given) ? given : path.join(os.homedir(), ".local", "state");
    var id = String(opening.follow || opening.plan.deployId);
    if (!/^[a-z0-9-]{8,64}$/.test(id)) throw new Error("The deploy id is not a file name.");
    var ours = path.join(state, "pm2-ssh-deploy");
    var runs = path.join(ours, "runs");
    var runDir = path.join(runs, id);
    fs.mkdirSync(runs, { recursive: true, mode: 448 });
    [ours, runs].forEach(requirePrivate);
    // What another session is just starting under that id is waited for.
    if (opening.follow) return rejoin(runDir, opening, rest, Date.now() + 3000);
    if (!make(runDir)) throw new Error("a deploy with this id was cancelled before it began, or has begun already.");
    for (var name in unpack()) fs.writeFileSync(path.join(runDir, name), files[name], { mode: 384, flag: "wx" });
    require(path.join(runDir, "follower.js")).follow({ nonce: nonce, runDir: runDir, programFile: path.join(runDir, "host.js"), plan: opening.plan, rest: rest });
  }
  function onEnd() { process.exit(1); }
  function read(rest) {
    var chunks = [];
    function onData(chunk) {
      var at = chunk.indexOf(10);
      chunks.push(at < 0 ? chunk : chunk.slice(0, at));
      if (at < 0) return;
      process.stdin.removeListener("data", onData);
      process.stdin.removeListener("end", onEnd);
      process.stdin.pause();
      try { begin(JSON.parse(Buffer.concat(chunks).toString("utf8")), chunk.slice(at + 1)); } catch (error) { fail(error); }
    }
    process.stdin.on("end", onEnd);
    process.stdin.on("data", onData);
    process.stdin.resume();
    onData(rest);
  }
  read(Buffer.alloc(0));
})();
`;

/**
 * What the bootstrap evaluates: POSIX sh. It finds `n`, the nonce, and `e`, a line end, and reads from stdin the
 * user's shell-init up to a line that is the nonce. It ends as the Node that it found, with the rest of stdin untouched.
 * Its answers: `no-node <what was tried>`, `old-node <path> <version>`, `init-ended <exit code>`, `bad-options <Node's error>`.
 */
export const FIND_NODE = `
set +eu
pm2sd_nonce=$n; pm2sd_newline=$e
pm2sd_init=; pm2sd_whole=; pm2sd_old=; pm2sd_node=
pm2sd_say() { printf '\\n%s %s\\n' "$pm2sd_nonce" "$*"; }
while IFS= read -r pm2sd_line; do
  if [ "$pm2sd_line" = "$pm2sd_nonce" ]; then pm2sd_whole=1; break; fi
  pm2sd_init=$pm2sd_init$pm2sd_line$pm2sd_newline
done
[ -n "$pm2sd_whole" ] || exit 1

pm2sd_before=$(command -v node)
if [ -n "$pm2sd_init" ]; then
  # Printed where shell-init ends this shell: by exit, or by an error in its syntax.
  trap 'pm2sd_say "init-ended $?"' EXIT
  eval "$pm2sd_init" </dev/null >&2
  trap - EXIT
  set +euf
  unset IFS
  cd "$HOME" 2>/dev/null
fi

if timeout -s KILL 5 true </dev/null >/dev/null 2>&1; then
  pm2sd_run() { timeout -s KILL "$@"; }
else
  pm2sd_run() {
    pm2sd_seconds=$1; shift
    "$@" &
    pm2sd_job=$!
    (sleep "$pm2sd_seconds"; kill -9 "$pm2sd_job") >/dev/null 2>&1 &
    pm2sd_watch=$!
    wait "$pm2sd_job"
    set -- $?
    kill "$pm2sd_watch"
    return "$1"
  }
fi
# Prints what a command prints within so many seconds. The mark, not the end of the stream, ends it: a child that the
# command has left behind may hold that open for ever.
pm2sd_limited() {
  { pm2sd_run "$@" </dev/null 2>/dev/null; printf '\\npm2sd-end\\n'; } 2>/dev/null | sed -n '/^pm2sd-end$/q;p'
}

pm2sd_try() {
  case $1 in /*) ;; *) return 1 ;; esac
  [ -f "$1" ] && [ -x "$1" ] || return 1
  pm2sd_version=$(NODE_OPTIONS=; pm2sd_limited 5 "$1" -v)
  case $pm2sd_version in v[0-9]*.*) ;; *) return 1 ;; esac
  pm2sd_major=\${pm2sd_version#v}; pm2sd_major=\${pm2sd_major%%.*}
  case $pm2sd_major in *[!0-9]*) return 1 ;; esac
  if [ "$pm2sd_major" -ge ${OLDEST_NODE} ]; then pm2sd_node=$1; return 0; fi
  [ -n "$pm2sd_old" ] || pm2sd_old="$1 $pm2sd_version"
  return 1
}

pm2sd_newest() {
  ls "$1" 2>/dev/null | sed -n 's/^v\\{0,1\\}\\([0-9][0-9]*\\.[0-9][0-9]*\\.[0-9][0-9]*\\)$/\\1/p' | sort -t. -rn -k1,1 -k2,2 -k3,3
}

pm2sd_daemon() {
  pm2sd_pid=
  { read -r pm2sd_pid <"\${PM2_HOME:-$HOME/.pm2}/pm2.pid"; } 2>/dev/null
  case $pm2sd_pid in ''|*[!0-9]*) return 1 ;; esac
  pm2sd_exe=$(readlink "/proc/$pm2sd_pid/exe" 2>/dev/null)
  # A stale pid file may name any process by now.
  case $pm2sd_exe in */node|*/nodejs|*/node[0-9]*) pm2sd_try "$pm2sd_exe" ;; *) return 1 ;; esac
}

# Every version below a directory, the newest first; what stands behind the version's name comes second.
pm2sd_versions() {
  for pm2sd_v in $(pm2sd_newest "$1"); do
    for pm2sd_name in "v$pm2sd_v" "$pm2sd_v"; do
      pm2sd_try "$1/$pm2sd_name/$2" && return 0
    done
  done
  return 1
}

pm2sd_nvm() {
  for pm2sd_dir in "$NVM_DIR" "$HOME/.nvm" "\${XDG_CONFIG_HOME:-$HOME/.config}/nvm"; do
    [ -d "$pm2sd_dir/versions/node" ] || continue
    pm2sd_alias=default
    for pm2sd_hop in 1 2 3 4 5; do
      [ -f "$pm2sd_dir/alias/$pm2sd_alias" ] || break
      read -r pm2sd_alias <"$pm2sd_dir/alias/$pm2sd_alias"
    done
    case $pm2sd_alias in v[0-9]*|[0-9]*)
      for pm2sd_v in $(pm2sd_newest "$pm2sd_dir/versions/node"); do
        case $pm2sd_v. in "\${pm2sd_alias#v}".*) pm2sd_try "$pm2sd_dir/versions/node/v$pm2sd_v/bin/node" && return 0 ;; esac
      done ;;
    esac
    pm2sd_versions "$pm2sd_dir/versions/node" bin/node && return 0
  done
  return 1
}

pm2sd_fnm() {
  for pm2sd_dir in "$FNM_DIR" "\${XDG_DATA_HOME:-$HOME/.local/share}/fnm" "$HOME/.fnm"; do
    [ -d "$pm2sd_dir/node-versions" ] || continue
    pm2sd_try "$pm2sd_dir/aliases/default/bin/node" && return 0
    pm2sd_versions "$pm2sd_dir/node-versions" installation/bin/node && return 0
  done
  return 1
}

# A shim answers with the version that is set for the home; where none is set it fails, and the newest is taken.
pm2sd_managers() {
  pm2sd_data=\${XDG_DATA_HOME:-$HOME/.local/share}
  pm2sd_asdf=\${ASDF_DATA_DIR:-$HOME/.asdf}
  pm2sd_mise=\${MISE_DATA_DIR:-$pm2sd_data/mise}
  pm2sd_nodenv=\${NODENV_ROOT:-$HOME/.nodenv}
  pm2sd_try "\${VOLTA_HOME:-$HOME/.volta}/bin/node" ||
    pm2sd_versions "\${VOLTA_HOME:-$HOME/.volta}/tools/image/node" bin/node ||
    pm2sd_try "$pm2sd_asdf/shims/node" || pm2sd_versions "$pm2sd_asdf/installs/nodejs" bin/node ||
    pm2sd_try "$pm2sd_mise/shims/node" || pm2sd_versions "$pm2sd_mise/installs/node" bin/node ||
    pm2sd_try "$pm2sd_nodenv/shims/node" || pm2sd_versions "$pm2sd_nodenv/versions" bin/node ||
    pm2sd_places
}

pm2sd_places() {
  for pm2sd_file in \\
    "\${N_PREFIX:-/usr/local}/bin/node" "$HOME/n/bin/node" "$HOME/.n/bin/node" \\
    "\${PNPM_HOME:-$pm2sd_data/pnpm}/node" "\${PNPM_HOME:-$pm2sd_data/pnpm}/bin/node" \\
    "$HOME/.npm-global/bin/node" "$HOME/.local/bin/node" "$HOME/bin/node" \\
    /opt/homebrew/bin/node /home/linuxbrew/.linuxbrew/bin/node "$HOME/.linuxbrew/bin/node" \\
    /usr/local/bin/node /usr/bin/node /usr/bin/nodejs /snap/bin/node /opt/node*/bin/node /usr/local/lib/nodejs/*/bin/node
  do
    pm2sd_try "$pm2sd_file" && return 0
  done
  return 1
}

pm2sd_login() {
  [ -x "$SHELL" ] || return 1
  pm2sd_try "$(pm2sd_limited 10 "$SHELL" -lic 'echo; echo @@; node -p process.execPath; echo @@' | sed -n '/^@@$/,/^@@$/{/^\\//p;}' | sed 1q)"
}

pm2sd_find() {
  # What shell-init has put on PATH was put there to be used.
  if [ -n "$pm2sd_init" ]; then
    pm2sd_after=$(command -v node)
    [ "$pm2sd_after" != "$pm2sd_before" ] && pm2sd_try "$pm2sd_after" && return 0
  fi
  pm2sd_daemon || pm2sd_try "$(command -v node)" || pm2sd_try "$(command -v nodejs)" ||
    pm2sd_nvm || pm2sd_fnm || pm2sd_managers || pm2sd_login
}

# Whether Node does not start with NODE_OPTIONS; what it says is in pm2sd_why then. One that is only slow is let be.
pm2sd_misled() {
  [ -n "$NODE_OPTIONS" ] || return 1
  pm2sd_why=$(pm2sd_run 10 "$pm2sd_node" -e 0 2>&1 >/dev/null </dev/null) && return 1
  [ $? -ne 137 ] || return 1
  pm2sd_why=$(printf '%s\\n' "$pm2sd_why" | sed -n -e '/Error: /{p;q;}' -e '/NODE_OPTIONS/{p;q;}')
}

if pm2sd_find; then
  if pm2sd_misled; then pm2sd_say "bad-options $pm2sd_why"; exit 1; fi
  PATH=\${pm2sd_node%/*}:$PATH
  PM2_SSH_DEPLOY_NONCE=$pm2sd_nonce
  export PATH PM2_SSH_DEPLOY_NONCE
  exec "$pm2sd_node" -e '${LOADER}'
fi
if [ -n "$pm2sd_old" ]; then
  pm2sd_say "old-node $pm2sd_old"
else
  pm2sd_say "no-node PM2's daemon, PATH ($PATH), nvm, fnm, Volta, asdf, mise, nodenv, n, pnpm, Homebrew, snap, and a login shell ($SHELL -lic)"
fi
exit 1
`;
