const app = (name, port) => ({
  name,
  cwd: `./apps/${name}`,
  script: 'server.js',
  exec_mode: 'cluster',
  instances: 2,
  wait_ready: true,
  listen_timeout: 10000,
  kill_timeout: 5000,
  env: { NODE_ENV: 'production', PORT: port },
});

module.exports = { apps: [app('api', 3000), app('web', 3001)] };
