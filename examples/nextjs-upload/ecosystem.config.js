module.exports = {
  apps: [
    {
      name: 'site',
      script: 'node_modules/next/dist/bin/next',
      args: 'start',
      exec_mode: 'cluster',
      instances: 2,
      listen_timeout: 15000,
      kill_timeout: 8000,
      env: { NODE_ENV: 'production', PORT: 3000, NEXT_TELEMETRY_DISABLED: '1' },
    },
  ],
};
