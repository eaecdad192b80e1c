import type { Plan } from '../../protocol.ts';
import { formsOf } from '../git/credentials.ts';
import { secretsOfEnvFile, secretsOfUrl } from '../program/redact.ts';

/** What no event may show of the plan, whoever repeats it: git, or the app in an answer or its log. */
export function secretsOfPlan({
  gitToken,
  healthUrl,
  envFile,
}: Pick<Plan, 'gitToken' | 'healthUrl' | 'envFile'>): string[] {
  return [
    ...(gitToken === null ? [] : formsOf(gitToken)),
    ...(envFile === null ? [] : secretsOfEnvFile(envFile.content)),
    ...(healthUrl === null ? [] : secretsOfUrl(healthUrl)),
  ];
}
