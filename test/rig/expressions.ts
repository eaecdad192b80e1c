import { data, Evaluator, Lexer, Parser } from '@actions/expressions';

/** What `${{ }}` may name, such as `github` and `env`, as plain values. */
export type Contexts = Readonly<Record<string, unknown>>;

/** How the job stands, for `success()`, `failure()`, `always()` and `cancelled()`. */
export interface Standing {
  failed: boolean;
  cancelled: boolean;
}

/** Evaluates a text with `${{ }}` in it, with GitHub's own evaluator. */
export function evaluateText(text: string, contexts: Contexts): string {
  return text.replace(/\$\{\{(.*?)\}\}/gs, (_, expression: string) =>
    evaluate(expression, contexts).coerceString(),
  );
}

/** Evaluates the `if` of a step or a job. One that asks for no status means `success() && (…)`, and so does none. */
export function holds(condition: string | undefined, contexts: Contexts, standing: Standing): boolean {
  const expression = (condition ?? '').replace(/^\s*\$\{\{(.*)\}\}\s*$/s, '$1').trim();
  const asks = /\b(?:success|failure|always|cancelled)\s*\(/.test(expression);
  const whole = expression === '' ? 'success()' : asks ? expression : `success() && (${expression})`;
  return evaluate(`(${whole}) && true || false`, contexts, standing).coerceString() === 'true';
}

function evaluate(expression: string, contexts: Contexts, standing?: Standing) {
  const { failed, cancelled } = standing ?? { failed: false, cancelled: false };
  const functions = Object.entries({
    success: !failed && !cancelled,
    failure: failed && !cancelled,
    always: true,
    cancelled,
  }).map(([name, value]) => ({ name, minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(value) }));
  const named = standing === undefined ? [] : functions;
  const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(contexts), named).parse();
  const known = JSON.parse(JSON.stringify(contexts), data.reviver) as data.Dictionary;
  return new Evaluator(tree, known, new Map(named.map((each) => [each.name, each]))).evaluate();
}
