const app = (environment, port) => ({
  name: `shop-${environment}`,
  script: 'server.js',
  exec_mode: 'cluster',
  instances: 2,
  wait_ready: true,
  listen_timeout: 10000,
  kill_timeout: 5000,
  env: { NODE_ENV: 'production', PORT: port },
});

module.exports = {
  apps: [app('dev', 3001), app('stg', 3002), app('prod', 3003)],
};
