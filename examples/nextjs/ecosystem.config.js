module.exports = {
  apps: [
    {
      name: 'site',
      script: 'npm',
      args: 'start',
      listen_timeout: 15000,
      kill_timeout: 8000,
      env: { NODE_ENV: 'production', PORT: 3000, NEXT_TELEMETRY_DISABLED: '1' },
    },
  ],
};
