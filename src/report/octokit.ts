import { getOctokit } from '@actions/github';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Speaks to GitHub, through a proxy where the runner has one. A bundle of its own, which only a deployment needs. */
export function octokitOf(token: string): ReturnType<typeof getOctokit> {
  return getOctokit(token, { userAgent: 'pm2-ssh-deploy', log: SILENT });
}
