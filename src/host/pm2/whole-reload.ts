/**
 * Loaded into PM2's command before its own code, a text so that no bundler changes it. PM2's reload leaves script, cwd,
 * log files, interpreter and whatever was taken out of a config as they were, yet its daemon applies every setting that
 * it is sent: this adds those that a fresh start would give, worked out by PM2's own functions, and has instances
 * replaced one at a time. The config file holds, beside `apps`, `whole`: PM2's directory, for each app the variables that
 * are to go, by id the number of an instance's log files, and the one id that is to be touched, or null for all.
 */
export const WHOLE_RELOAD = `
'use strict';
const fs = require('fs');
const path = require('path');
const { apps, whole } = JSON.parse(fs.readFileSync(path.join(__dirname, 'pm2-ssh-deploy.json'), 'utf8'));
const load = (file) => require(path.join(whole.pm2Root, file));

// Read once, and not to reach any app.
process.env.PM2_CONCURRENT_ACTIONS = '1';
load('constants.js');
delete process.env.PM2_CONCURRENT_ACTIONS;

const Client = load('lib/Client.js');
const Common = load('lib/Common.js');
const settings = Object.keys(load('lib/API/schema.json')).filter((name) => /^\\w+$/.test(name));
const RESOLVED = ['pm_exec_path', 'pm_cwd', 'exec_interpreter', 'node_args', 'args'];
const FILES = ['pm_log_path', 'pm_out_log_path', 'pm_err_log_path', 'pm_pid_path'];
// The daemon removes a field that is given so.
const GONE = 'null';

const extras = new Map();
function extrasOf(conf) {
  const known = extras.get(conf.name);
  if (known) return known;
  const { exec_mode } = apps.find(({ name }) => name === conf.name) || {};
  const fresh = Common.resolveAppAttributes(
    { cwd: process.cwd(), pm2_home: process.env.PM2_HOME },
    { ...conf, ...(exec_mode ? { exec_mode } : {}), env: {} },
  );
  const found = {};
  for (const name of settings) if (fresh[name] === undefined) found[name] = GONE;
  for (const name of [...RESOLVED, ...FILES]) found[name] = fresh[name] === undefined ? GONE : fresh[name];
  for (const name of whole.removed[conf.name] || []) found[name] = GONE;
  if (conf.cwd && !('PWD' in conf.env)) found.PWD = conf.cwd;
  extras.set(conf.name, found);
  return found;
}

/** Each instance has files of its own, as the daemon names them when it starts one. A successor goes on with the log. */
function numbered(file, id, merged) {
  if (file === GONE) return file;
  const own = file.replace(/(-[0-9]+)?\\.pid$/, '-' + id + '.pid');
  const log = whole.logs[id] === undefined ? id : whole.logs[id];
  return merged ? own : own.replace(/(-[0-9]+)?\\.log$/, '-' + log + '.log');
}

const call = Client.prototype.executeRemote;
Client.prototype.executeRemote = function executeRemote(method, given, done) {
  if (method !== 'reloadProcessId') return call.call(this, method, given, done);
  if (whole.only !== null && given.id !== whole.only) return done(null, []);
  const conf = given.env.current_conf;
  const added = { ...extrasOf(conf) };
  for (const name of FILES) added[name] = numbered(added[name], given.id, conf.merge_logs);
  return call.call(this, method, { ...given, env: { ...given.env, current_conf: { ...conf, ...added } } }, done);
};
`;
