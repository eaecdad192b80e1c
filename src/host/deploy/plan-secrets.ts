import type { Plan } from '../../protocol.ts';
import { formsOf } from '../git/credentials.ts';
import { secretsOfUrl } from '../program/redact.ts';

/** What no event may show of the plan, whoever repeats it: git, or the app in an answer or its log. */
export function secretsOfPlan({ gitToken, healthUrl }: Pick<Plan, 'gitToken' | 'healthUrl'>): string[] {
  return [
    ...(gitToken === null ? [] : formsOf(gitToken)),
    ...(healthUrl === null ? [] : secretsOfUrl(healthUrl)),
  ];
}
