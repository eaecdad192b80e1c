/** Settings of an app that PM2 5, 6 and 7 take from a config, with PM2's other names for each. A test compares them with PM2. */
const NAMES = [
  ...['name', 'name_prefix', 'namespace', 'script', 'exec', 'cmd', 'command', 'args', 'cwd', 'install_url'],
  ...['exec_interpreter', 'interpreter', 'node_args', 'interpreter_args', 'execute_command', 'exec_mode'],
  ...['instances', 'increment_var', 'instance_var', 'env', 'filter_env', 'append_env_to_name', 'port', 'io'],
  ...[
    'out_file',
    'out',
    'output',
    'out_log',
    'error_file',
    'error',
    'err',
    'err_file',
    'err_log',
    'log_file',
  ],
  ...['log', 'disable_logs', 'log_type', 'log_date_format', 'time', 'merge_logs', 'combine_logs', 'pid_file'],
  ...['pid', 'write', 'max_memory_restart', 'min_uptime', 'max_restarts', 'restart_delay', 'autostart'],
  ...['exp_backoff_restart_delay', 'autorestart', 'stop_exit_codes', 'cron_restart', 'cron', 'post_update'],
  ...['wait_ready', 'listen_timeout', 'kill_timeout', 'kill_retry_time', 'shutdown_with_message', 'treekill'],
  ...['watch', 'watch_delay', 'watch_options', 'ignore_watch', 'uid', 'user', 'gid', 'username', 'force'],
  ...['source_map_support', 'disable_source_map_support', 'vizion', 'trace', 'disable_trace', 'v8', 'pmx'],
  ...['event_loop_inspector', 'deep_monitoring', 'automation', 'windowsHide'],
];
const KNOWN: ReadonlySet<string> = new Set(NAMES);

/** Whether PM2 takes a setting of this name; it takes `execMode` for `exec_mode` too. */
export function isSetting(name: string): boolean {
  return KNOWN.has(name) || name.startsWith('env_') || NAMES.some((known) => camelCase(known) === name);
}

/** The setting that somebody who wrote this name may have meant; null if none is near. */
export function nearestSetting(name: string): string | null {
  const given = plain(name);
  const near = NAMES.map((known) => ({ known, distance: distance(given, plain(known)) }))
    .filter(({ known, distance }) => distance <= Math.max(1, Math.floor(known.length / 4)))
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.known ?? null;
}

function camelCase(name: string): string {
  return name.replace(/_([a-z0-9]+)/g, (whole, word: string) =>
    word.length > 1 ? word[0]?.toUpperCase() + word.slice(1) : whole.slice(1),
  );
}

function plain(name: string): string {
  return name.replace(/[_-]/g, '').toLowerCase();
}

/** How many letters must be added, removed or replaced to make one text of the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
    }
  }
  return row[b.length] ?? 0;
}
