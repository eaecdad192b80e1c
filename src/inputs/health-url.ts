import { BadValue, hasUnprintable } from './bad-value.ts';

const TAKES =
  'a path on the app (/health), a port and path on the server (:3000/health), or a URL that the server requests (http://127.0.0.1:3000/health)';

/**
 * Reads `health-url`: an absolute URL, or a path that begins with one slash and is asked of the app's own port.
 * Null if none is given.
 */
export function parseHealthUrl(text: string): string | null {
  if (text === '') return null;
  if (/\s/.test(text) || hasUnprintable(text))
    throw new BadValue('it holds a blank or an invisible character', TAKES);
  if (text.startsWith('/')) return pathOf(text);
  if (/^:\d+(?:\/|$)/.test(text)) return absolute(`http://localhost${text}`);
  if (/^https?:\/\//i.test(text)) return absolute(text);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    throw new BadValue('it begins with neither http:// nor https://', TAKES);
  throw new BadValue(
    'it begins with neither http://, nor a slash, nor a colon',
    TAKES,
    'Write /health for a path, or http://127.0.0.1:3000/health in full.',
  );
}

/** `//host/path` and `/\host` are URLs of another host to whoever resolves them. */
function pathOf(text: string): string {
  const url = URL.canParse(text, 'http://localhost') ? new URL(text, 'http://localhost') : null;
  if (url?.host !== 'localhost') throw new BadValue('it names a host without http:// or https://', TAKES);
  return url.pathname.replace(/^\/+/, '/') + url.search;
}

function absolute(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.port === '0') throw new BadValue('it is not a URL', TAKES);
  if (url.username !== '' || url.password !== '') {
    throw new BadValue(
      'it holds a login',
      TAKES,
      'Let the app answer without a login, on a path or port that only the server itself can reach.',
    );
  }
  url.hash = '';
  return url.href;
}
