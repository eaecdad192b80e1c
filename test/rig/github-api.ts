import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { ROOT } from './places.ts';

type Fields = Record<string, unknown>;

/** GitHub's own description of its API, of the operations that the action uses. */
const API = JSON.parse(
  readFileSync(path.join(ROOT, 'test/fixtures/github-deployments-api.json'), 'utf8'),
) as {
  paths: Record<string, { post: Operation }>;
  components: { schemas: Record<string, Fields>; examples: Record<string, { value: Fields }> };
};

interface Operation {
  requestBody: { content: { 'application/json': { schema: { properties: Fields } } } };
}

const CREATE = '/repos/{owner}/{repo}/deployments';

export interface ApiDeployment {
  id: number;
  ref: string;
  task: string;
  environment: string;
  statuses: {
    state: string;
    description: string;
    environment: string;
    log_url: string;
    environment_url: string;
  }[];
}

/** What the next request is answered instead; null answers as GitHub does. */
export interface Answer {
  status: number;
  message: string;
  headers?: Record<string, string>;
}

export interface GithubApi extends AsyncDisposable {
  /** For `GITHUB_API_URL`. With a path, as an Enterprise server has one. */
  url: string;
  deployments: ApiDeployment[];
  /** `METHOD path` of each request. */
  requests: string[];
  /** What a request had that GitHub's schema does not allow, and what we answered against it. */
  faults: string[];
  /** Is asked about each request, before it is carried out. */
  answer: (request: string) => Answer | null | Promise<Answer | null>;
}

/** GitHub's deployments as a server of our own: it keeps what it is told, and holds each request and answer to the schema. */
export async function startGithubApi(token: string): Promise<GithubApi> {
  const api = { deployments: [], requests: [], faults: [], answer: () => null } as unknown as GithubApi;
  const server = createServer((request, response) => {
    carryOut(api, token, request, response).catch((error) => {
      api.faults.push(String(error));
      response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  api.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v3`;
  api[Symbol.asyncDispose] = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return api;
}

async function carryOut(
  api: GithubApi,
  token: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = (request.url ?? '').replace(/^\/api\/v3/, '');
  const name = `${request.method} ${url}`;
  api.requests.push(name);
  const body = JSON.parse(await textOf(request)) as Fields;
  const send = (status: number, value: Fields, headers: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
    response.end(JSON.stringify(value));
  };
  const refusal = await api.answer(name);
  if (refusal !== null) return send(refusal.status, { message: refusal.message }, refusal.headers);
  if (request.headers.authorization !== `token ${token}`) return send(401, { message: 'Bad credentials' });

  const [, repository = '', id] =
    /^\/repos\/([^/]+\/[^/]+)\/deployments(?:\/(\d+)\/statuses)?$/.exec(url) ?? [];
  const operation = id === undefined ? CREATE : `${CREATE}/{deployment_id}/statuses`;
  if (request.method !== 'POST' || repository !== 'octocat/shop') return send(404, { message: 'Not Found' });
  check(api, `request ${name}`, requestCheck(operation), body);
  const known = API.paths[operation]?.post.requestBody.content['application/json'].schema.properties ?? {};
  for (const field of Object.keys(body))
    if (!(field in known)) api.faults.push(`request ${name} has '${field}', which GitHub does not know`);

  if (id === undefined) {
    const created = {
      id: api.deployments.length + 42,
      ref: String(body.ref),
      task: String(body.task),
      environment: String(body.environment),
      statuses: [],
    };
    api.deployments.push(created);
    const { statuses: _, ...shown } = created;
    const answer = { ...exampleOf('deployment-simple-example'), ...shown, sha: body.ref };
    check(api, `answer to ${name}`, ajv.getSchema('api#/components/schemas/deployment'), answer);
    return send(201, answer);
  }
  const deployment = api.deployments.find((each) => each.id === Number(id));
  if (deployment === undefined) return send(404, { message: 'Not Found' });
  const { description = '', environment = deployment.environment, log_url = '', environment_url = '' } = body;
  if (String(description).length > 140) api.faults.push(`request ${name} has too long a description`);
  const status = { state: body.state, description, environment, log_url, environment_url };
  deployment.statuses.push(status as ApiDeployment['statuses'][number]);
  // Where a URL was not given, the schema takes none: an empty text is not of its format.
  const urls = Object.entries({ log_url, environment_url }).filter(([, url]) => url !== '');
  const answer = {
    ...exampleOf('deployment-status'),
    ...{ state: body.state, description, environment },
    ...Object.fromEntries(urls),
  };
  check(api, `answer to ${name}`, ajv.getSchema('api#/components/schemas/deployment-status'), answer);
  return send(201, answer);
}

// OpenAPI's own words, such as `nullable` beside a `$ref`, are no mistakes.
const ajv = new Ajv({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema(API, 'api');

function requestCheck(operation: string): ValidateFunction | undefined {
  const pointer = operation.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D');
  return ajv.getSchema(`api#/paths/${pointer}/post/requestBody/content/application~1json/schema`);
}

function exampleOf(name: string): Fields {
  return API.components.examples[name]?.value ?? {};
}

function check(api: GithubApi, what: string, validate: ValidateFunction | undefined, value: unknown): void {
  if (validate === undefined) api.faults.push(`no schema for ${what}`);
  else if (!validate(value)) api.faults.push(`${what}: ${ajv.errorsText(validate.errors)}`);
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
}
