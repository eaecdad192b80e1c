import { randomBytes } from 'node:crypto';
import { type Container, ENGINES } from '../connection/container.ts';
import { answerTo, BOOTSTRAP_SCRIPT, firstOf, type HostShell } from './bootstrap.ts';
import { notInside } from './container-failures.ts';

/** How long the engine may take to look for the container and start a shell in it, in milliseconds. */
const ENTER_WITHIN = 30_000;

/**
 * Goes on in a container of the host that `host` is a shell of. The argument list of the engine's `exec` is the container's
 * name and the constant bootstrap. As on the host, a random nonce is all that is sent before the bootstrap has answered in there.
 * Throws a `SessionError`.
 */
export async function enterContainer(host: HostShell, container: Container): Promise<HostShell> {
  const nonce = randomBytes(16).toString('hex');
  const ours = `${host.nonce} `;
  const answered = new Promise<{ refusal: string } | 'inside'>((resolve) => {
    host.listen((line) => {
      if (line === answerTo(nonce)) resolve('inside');
      else if (line.startsWith(ours)) resolve({ refusal: line.slice(ours.length) });
    });
  });
  host.send(`${enterScript(container)}${host.nonce}\n${nonce}\n`);
  const outcome = await firstOf(answered, host.ended, ENTER_WITHIN);
  host.listen(() => {});
  if (outcome === 'inside') return { ...host, nonce, place: `container ${container.name} of ${host.place}` };
  host.finish();
  throw notInside(host.place, container, outcome, ENTER_WITHIN, host.complaints());
}

/**
 * What the host's bootstrap evaluates: POSIX sh, with its nonce in `n`. It ends as the engine's `exec`, with the rest of stdin
 * untouched. Its answers: `no-engine`, `stopped <engine> <status>`, `refused <engine> <what it said>` if no engine could be asked,
 * and `absent <engines that were asked> <names of running containers> <engine that refused> <what it said>`, lists with commas.
 */
export function enterScript({ name, engine }: Container): string {
  const engines = engine === null ? ENGINES.join(' ') : engine;
  return `
set +eu
set -f
PATH=$PATH:/usr/local/bin:/snap/bin
pm2sd_asked=; pm2sd_running=; pm2sd_stopped=; pm2sd_refused=
pm2sd_say() { printf '\\n%s %s\\n' "$n" "$*"; exit 1; }
for pm2sd_engine in ${engines}; do
  command -v "$pm2sd_engine" >/dev/null 2>&1 || continue
  if pm2sd_status=$("$pm2sd_engine" container inspect --format '{{.State.Status}}' '${name}' </dev/null 2>/dev/null); then
    [ "$pm2sd_status" = running ] && exec "$pm2sd_engine" exec -i '${name}' sh -c '${BOOTSTRAP_SCRIPT}'
    [ -n "$pm2sd_stopped" ] || pm2sd_stopped="$pm2sd_engine $pm2sd_status"
  elif pm2sd_names=$("$pm2sd_engine" ps --format '{{.Names}}' </dev/null 2>/dev/null); then
    pm2sd_asked=$pm2sd_asked,$pm2sd_engine
    for pm2sd_name in $pm2sd_names; do pm2sd_running=$pm2sd_running,$pm2sd_name; done
  elif [ -z "$pm2sd_refused" ]; then
    pm2sd_refused="$pm2sd_engine $(echo $("$pm2sd_engine" ps </dev/null 2>&1))"
  fi
done
[ -n "$pm2sd_stopped" ] && pm2sd_say stopped "$pm2sd_stopped"
[ -n "$pm2sd_asked" ] && pm2sd_say absent "$pm2sd_asked" "$pm2sd_running," "$pm2sd_refused"
[ -n "$pm2sd_refused" ] && pm2sd_say refused "$pm2sd_refused"
pm2sd_say no-engine
`;
}
