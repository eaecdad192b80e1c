import type { AppConfig } from '../pm2/app-config.ts';
import { isSetting, nearestSetting } from '../pm2/setting-names.ts';

/** A sentence for each setting that PM2 would ignore without a word. */
export function unknownSettings(app: AppConfig & { name: string }): string[] {
  return Object.keys(app)
    .filter((key) => !isSetting(key) || isEnvFile(key))
    .map((key) => `'${app.name}': PM2 has no setting '${key}' and ignores it. ${whatToDo(key, app[key])}`);
}

/** PM2 would take it for the variables of `--env file`. */
function isEnvFile(key: string): boolean {
  return /^(env_?file|dot_?env)$/i.test(key);
}

function whatToDo(key: string, value: unknown): string {
  if (isEnvFile(key)) {
    const file = typeof value === 'string' ? value : '.env';
    return `To load that file, call process.loadEnvFile('${file}') first in the app (Node 20.12 and newer), or use the package dotenv; or list the variables in "env".`;
  }
  const near = nearestSetting(key);
  return near === null ? 'Remove it, or move it to "env".' : `Did you mean '${near}'?`;
}
