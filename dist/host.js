/******/ (() => { // webpackBootstrap
/******/ 	"use strict";
/******/ 	// The require scope
/******/ 	var __nccwpck_require__ = {};
/******/ 	
/************************************************************************/
/******/ 	/* webpack/runtime/define property getters */
/******/ 	(() => {
/******/ 		// define getter functions for harmony exports
/******/ 		__nccwpck_require__.d = (exports, definition) => {
/******/ 			for(var key in definition) {
/******/ 				if(__nccwpck_require__.o(definition, key) && !__nccwpck_require__.o(exports, key)) {
/******/ 					Object.defineProperty(exports, key, { enumerable: true, get: definition[key] });
/******/ 				}
/******/ 			}
/******/ 		};
/******/ 	})();
/******/ 	
/******/ 	/* webpack/runtime/hasOwnProperty shorthand */
/******/ 	(() => {
/******/ 		__nccwpck_require__.o = (obj, prop) => (Object.prototype.hasOwnProperty.call(obj, prop))
/******/ 	})();
/******/ 	
/******/ 	/* webpack/runtime/make namespace object */
/******/ 	(() => {
/******/ 		// define __esModule on exports
/******/ 		__nccwpck_require__.r = (exports) => {
/******/ 			if(typeof Symbol !== 'undefined' && Symbol.toStringTag) {
/******/ 				Object.defineProperty(exports, Symbol.toStringTag, { value: 'Module' });
/******/ 			}
/******/ 			Object.defineProperty(exports, '__esModule', { value: true });
/******/ 		};
/******/ 	})();
/******/ 	
/************************************************************************/
var __webpack_exports__ = {};
// ESM COMPAT FLAG
__nccwpck_require__.r(__webpack_exports__);

// EXPORTS
__nccwpck_require__.d(__webpack_exports__, {
  look: () => (/* reexport */ look),
  receive: () => (/* reexport */ receive)
});

;// CONCATENATED MODULE: external "node:fs"
const external_node_fs_namespaceObject = require("node:fs");
;// CONCATENATED MODULE: external "node:os"
const external_node_os_namespaceObject = require("node:os");
;// CONCATENATED MODULE: ./protocol.js
/**
 * All that crosses the wire between the runner (the action) and the host program.
 *
 * The runner sends one `Opening`, then `Control` messages; the host answers with `Event`s. Each travels as one
 * line of JSON. Raise `PROTOCOL_VERSION` whenever a shape changes: the two programs of one deploy are always of
 * the same build, but a journal on a host may have been written by an older one.
 */
const PROTOCOL_VERSION = 15;
/** The states of a deploy on one host, in the order in which they are entered, then those of a rollback and of a removal. */
const STATES = [
    'preflight',
    'locked',
    'fetched',
    'staged',
    'prepared',
    'canary',
    'activating',
    'verifying',
    'verified',
    'committed',
    'rolling-back',
    'rolled-back',
    'rollback-failed',
    'removing',
    'removed',
];
/** What the action was asked to do. `check` and `status` change nothing. */
const MODES = ['deploy', 'rollback', 'check', 'status', 'remove'];
/** Whether nothing is changed on the host, so that nothing is left to be ended either. */
function looksOnly({ mode }) {
    return mode === 'check' || mode === 'status';
}
const OUTCOMES = [
    'deployed',
    'unchanged',
    'removed',
    'rolled-back',
    'rollback-failed',
    'failed',
];
/** The commands of a deploy that the user may give, in the order in which they run. */
const STEPS = ['install', 'build', 'migrate', 'before-reload', 'after-reload'];
/** What the time of a deploy is spent on. */
const ACCOUNTS = ['lock', 'git', ...STEPS, 'canary', 'pm2', 'verify'];
/** What the two logs that PM2 keeps of an app are called. */
const STREAMS = ['output', 'error'];
const NOTICE_LEVELS = (/* unused pure expression or super */ null && (['info', 'warning']));
/** What prints lines that are shown. */
const OUTPUT_SOURCES = [...STEPS, 'pm2'];
/** The runner sends a heartbeat this often, in milliseconds. */
const HEARTBEAT_EVERY = 10_000;
/** A host that has heard nothing from the runner for this long, in milliseconds, goes on as if it were gone. */
const LEASE = 120_000;

;// CONCATENATED MODULE: external "node:path"
const external_node_path_namespaceObject = require("node:path");
;// CONCATENATED MODULE: ./host/context.js
function inform(log, text) {
    log({ type: 'notice', level: 'info', text });
}
function warn(log, text, where = null) {
    log({ type: 'notice', level: 'warning', text, where });
}

;// CONCATENATED MODULE: external "node:crypto"
const external_node_crypto_namespaceObject = require("node:crypto");
;// CONCATENATED MODULE: ./host/system/failure.js
/** A deploy that cannot go on, for a reason that the user is to read. Anything else that is thrown is a bug of ours. */
class DeployFailure extends Error {
    constructor(message, details = {}) {
        super(message);
        this.name = 'DeployFailure';
        this.remedy = details.remedy ?? null;
        this.output = details.output ?? [];
        this.appLogs = details.appLogs ?? [];
    }
}
const DISK = {
    ENOSPC: 'A disk of this host is full, or out of inodes',
    EDQUOT: 'The disk quota of this user is used up',
    EROFS: 'A file system of this host is read-only',
};
/** The same error in words, where a file could not be written for want of room; else null. */
function diskTrouble(error) {
    const { code = '', path: from, dest: path = from, } = (error ?? {});
    const what = DISK[code];
    if (what === undefined)
        return null;
    return new DeployFailure(`${what}${path === undefined ? '' : `: ${path} cannot be written`}.`, {
        remedy: "See 'df -h' and 'df -i' on the host, make room, and run the job again.",
        cause: error,
    });
}
/** The same error in words, if this user may not do something with a file; else null. */
function permissionTrouble(error) {
    const { code, path, dest = path, syscall } = (error ?? {});
    if ((code !== 'EACCES' && code !== 'EPERM') || dest === undefined)
        return null;
    return new DeployFailure(`This user (uid ${process.geteuid?.()}) may not use ${dest} (${syscall}: ${code}).`, {
        remedy: `Look at its owner and mode on the server: 'ls -ld ${dest}'. Give it to this user, or deploy as its owner.`,
        cause: error,
    });
}
/** What went wrong, for the report; what is no `DeployFailure` comes with its stack. */
function failureOf(error, state) {
    if (error instanceof DeployFailure) {
        return {
            state,
            message: error.message,
            remedy: error.remedy,
            output: [...error.output],
            appLogs: [...error.appLogs],
            live: null,
            rollback: null,
        };
    }
    const known = diskTrouble(error) ?? permissionTrouble(error);
    if (known !== null)
        return failureOf(known, state);
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const [message = 'unknown error', ...stack] = text.split('\n');
    return { state, message, remedy: null, output: stack, appLogs: [], live: null, rollback: null };
}

;// CONCATENATED MODULE: ./host/system/paths.js


/** Whether `path` is `directory` or lies in it; both absolute. */
function isWithin(directory, path) {
    const way = (0,external_node_path_namespaceObject.relative)(directory, path);
    return way !== '..' && !way.startsWith('../') && !(0,external_node_path_namespaceObject.isAbsolute)(way);
}
/** The way from `top`, a real path, to an absolute one, through whatever link that names `top`. Null if it does not lie there. */
function below(top, path) {
    for (let directory = path;; directory = (0,external_node_path_namespaceObject.dirname)(directory)) {
        if (realOrSame(directory) === top)
            return (0,external_node_path_namespaceObject.relative)(directory, path);
        if (directory === (0,external_node_path_namespaceObject.dirname)(directory))
            return null;
    }
}
/** Whether something is there, a dangling link included. */
function exists(path) {
    try {
        (0,external_node_fs_namespaceObject.lstatSync)(path);
        return true;
    }
    catch {
        return false;
    }
}
/** With every link resolved, or as it is where there is nothing. */
function realOrSame(path) {
    try {
        return (0,external_node_fs_namespaceObject.realpathSync)(path);
    }
    catch {
        return path;
    }
}
/** Whether this user may make and remove entries in a directory. */
function isWritable(directory) {
    return allows(directory, external_node_fs_namespaceObject.constants.W_OK | external_node_fs_namespaceObject.constants.X_OK);
}
/** Whether this user may execute a file. */
function isExecutable(file) {
    return allows(file, external_node_fs_namespaceObject.constants.X_OK);
}
function allows(path, mode) {
    try {
        (0,external_node_fs_namespaceObject.accessSync)(path, mode);
        return true;
    }
    catch {
        return false;
    }
}

;// CONCATENATED MODULE: ./host/system/mounts.js


/** What is mounted here. Empty where the kernel does not tell. */
function mounts() {
    try {
        return parseMounts((0,external_node_fs_namespaceObject.readFileSync)('/proc/self/mountinfo', 'utf8'));
    }
    catch {
        return [];
    }
}
/**
 * Where something is mounted. Nothing can be renamed from one mount to another, even of one file system, which then has one
 * device number.
 */
function mountPoints() {
    return mounts().map(({ point }) => point);
}
function parseMounts(mountinfo) {
    return mountinfo.split('\n').flatMap((line) => {
        const [before = '', after = ''] = line.split(' - ', 2);
        const [, , , root, point] = before.split(' ');
        const [type = ''] = after.split(' ');
        return root === undefined || point === undefined
            ? []
            : [{ point: plain(point), root: plain(root), type }];
    });
}
function plain(path) {
    return path.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)));
}
/** The mount in which a real path lies: the deepest point above it. Empty where that is not known. */
function mountOf(path, points) {
    const above = points.filter((point) => isWithin(point, path));
    return above.reduce((deepest, point) => (point.length > deepest.length ? point : deepest), '');
}
/** Null where the mounts are not known. */
function keeperOf(path, known) {
    const point = mountOf(path, known.map((mount) => mount.point));
    // Of two mounts at one point the later one covers the other.
    const mount = known.filter((each) => each.point === point).at(-1);
    if (mount === undefined)
        return null;
    // Whatever the engine makes a container's root of. An overlay elsewhere is one of podman's, which lasts as long.
    if (point === '/' || mount.type === 'overlay')
        return 'nothing';
    if (mount.type === 'tmpfs' || mount.type === 'ramfs')
        return 'memory';
    return /\/volumes\/[0-9a-f]{64}\/_data(\/|$)/.test(mount.root) ? 'nameless volume' : 'volume';
}

;// CONCATENATED MODULE: ./host/state/places.js






/** `~/…` and relative paths start at the login's home; the result is real where it exists already. */
function resolvePath(given, home) {
    const named = given === '~' ? home : given.startsWith('~/') ? (0,external_node_path_namespaceObject.join)(home, given.slice(2)) : (0,external_node_path_namespaceObject.resolve)(home, given);
    const path = realAncestor(named);
    if (path === '/' || path === realOrSame(home)) {
        throw new DeployFailure(`path is '${given}', which is ${path === '/' ? 'the root directory' : 'the home directory itself'}.`, {
            remedy: "Give the app a directory of its own, such as '~/app'.",
        });
    }
    return path;
}
/** What is not there yet must have the name that it will have: the state directory, the lock and PM2's cwd go by it. */
function realAncestor(path) {
    return exists(path) ? realOrSame(path) : (0,external_node_path_namespaceObject.join)(realAncestor((0,external_node_path_namespaceObject.dirname)(path)), (0,external_node_path_namespaceObject.basename)(path));
}
/** Directories of all deploys on this host, of every app: run directories and the apps' states. */
function stateRoot(env, home) {
    const given = env.XDG_STATE_HOME;
    return (0,external_node_path_namespaceObject.join)(given && (0,external_node_path_namespaceObject.isAbsolute)(given) ? given : (0,external_node_path_namespaceObject.join)(home, '.local', 'state'), 'pm2-ssh-deploy');
}
/** Names the places of the app at `top` without making or changing any. */
function placesOf(top, workingDirectory, root, layout = 'in-place') {
    const live = layout === 'releases' ? currentIn(top) : top;
    const hash = (0,external_node_crypto_namespaceObject.createHash)('sha256').update(top).digest('hex').slice(0, 12);
    return {
        top,
        live,
        workDir: (0,external_node_path_namespaceObject.join)(live, workingDirectory),
        beside: placeBeside(top),
        state: (0,external_node_path_namespaceObject.join)(root, `${(0,external_node_path_namespaceObject.basename)(top)}-${hash}`),
    };
}
function placeBeside(top) {
    const sibling = (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(top), `.${(0,external_node_path_namespaceObject.basename)(top)}.pm2-ssh-deploy`);
    return isWritable(existingOf(sibling)) && onOneMount(sibling, top)
        ? sibling
        : (0,external_node_path_namespaceObject.join)(top, '.git', 'pm2-ssh-deploy');
}
/** Where the finished build of a deploy lies, from the end of the build on. */
function buildPlace({ places, plan }) {
    const { kind } = plan.layout;
    return kind === 'releases'
        ? (0,external_node_path_namespaceObject.join)(releasesIn(places.top), plan.deployId)
        : (0,external_node_path_namespaceObject.join)(places.beside, plan.deployId, 'version');
}
/** What the layout with a directory for each version has in the app's directory, beside its repository. */
const LAYOUT_NAMES = ['releases', 'shared', 'current'];
/** With a directory for each version: where these are, and what outlasts them. */
function releasesIn(top) {
    return (0,external_node_path_namespaceObject.join)(top, 'releases');
}
function sharedIn(top) {
    return (0,external_node_path_namespaceObject.join)(top, 'shared');
}
/** The link that leads to the version that runs. */
function currentIn(top) {
    return (0,external_node_path_namespaceObject.join)(top, 'current');
}
/** Where the files of the version that runs lie. What `live` leads to may not be there yet. */
function treeOf({ top, live }) {
    return exists(live) ? realOrSame(live) : top;
}
/** Directories whose env files a version sees; those of the first count before those of the second. */
function envSources(places) {
    return places.live === places.top ? [places.live] : [treeOf(places), sharedIn(places.top)];
}
/** Refuses places between which nothing can be renamed, before anything is built there. */
function refuseApart({ top, beside }) {
    const base = existingOf(beside);
    if (!(0,external_node_fs_namespaceObject.statSync)(base).isDirectory()) {
        throw new DeployFailure(`${base} is no directory, so the new version cannot be built in ${beside}.`, {
            remedy: `Let the deploying user write to ${(0,external_node_path_namespaceObject.dirname)(top)}, or give path a checkout with a .git directory of its own.`,
        });
    }
    if (onOneMount(beside, top))
        return;
    throw new DeployFailure(`${base} and ${top} are on different mounts. The new version would be built in the first, and cannot be renamed into the second.`, {
        remedy: `Keep the .git of path on the mount of path itself ('findmnt -T ${base}' shows where it is).`,
    });
}
function onOneMount(one, other) {
    const points = mountPoints();
    const [a, b] = [existingOf(one), existingOf(other)];
    return (0,external_node_fs_namespaceObject.statSync)(a).dev === (0,external_node_fs_namespaceObject.statSync)(b).dev && mountOf(a, points) === mountOf(b, points);
}
/** The path itself, or the nearest directory above it that is there. */
function existingOf(path) {
    return exists(path) ? path : existingOf((0,external_node_path_namespaceObject.dirname)(path));
}

;// CONCATENATED MODULE: ./host/system/durable.js


/** Replaces a file. A power cut or a full disk leaves the old content or the new one, never a part. Mode 0600. */
function writeDurably(file, content) {
    const aside = `${file}.new`;
    (0,external_node_fs_namespaceObject.rmSync)(aside, { force: true });
    try {
        const descriptor = (0,external_node_fs_namespaceObject.openSync)(aside, 'wx', 0o600);
        try {
            writeWhole(descriptor, Buffer.from(content));
            (0,external_node_fs_namespaceObject.fsyncSync)(descriptor);
        }
        finally {
            (0,external_node_fs_namespaceObject.closeSync)(descriptor);
        }
        (0,external_node_fs_namespaceObject.renameSync)(aside, file);
    }
    catch (error) {
        (0,external_node_fs_namespaceObject.rmSync)(aside, { force: true });
        throw error;
    }
    sync((0,external_node_path_namespaceObject.dirname)(file));
}
/** Adds the whole text to a file, or nothing. Returns once it is on disk. Mode 0600. */
function appendDurably(file, text) {
    const descriptor = (0,external_node_fs_namespaceObject.openSync)(file, 'a', 0o600);
    try {
        const { size } = (0,external_node_fs_namespaceObject.fstatSync)(descriptor);
        try {
            writeWhole(descriptor, Buffer.from(text));
        }
        catch (error) {
            (0,external_node_fs_namespaceObject.ftruncateSync)(descriptor, size);
            throw error;
        }
        (0,external_node_fs_namespaceObject.fsyncSync)(descriptor);
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(descriptor);
    }
}
/** The kernel may take only a part of a large text, or if the disk is nearly full. The next write then says why. */
function writeWhole(descriptor, bytes) {
    for (let at = 0; at < bytes.length;)
        at += (0,external_node_fs_namespaceObject.writeSync)(descriptor, bytes, at);
}
/** Returns once the file's content, or the directory's list of names, is on disk. */
function sync(path) {
    const descriptor = (0,external_node_fs_namespaceObject.openSync)(path, 'r');
    try {
        (0,external_node_fs_namespaceObject.fsyncSync)(descriptor);
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(descriptor);
    }
}
/** The file's text, or null if there is no file. */
function readIfThere(file) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8');
    }
    catch (error) {
        if (error.code === 'ENOENT')
            return null;
        throw error;
    }
}

;// CONCATENATED MODULE: ./host/system/private-directory.js


/**
 * Makes directories that only the deploying user can enter. One that is there already must be such a directory.
 * Throws a `DeployFailure` otherwise: another user may have made it first, to have a say in the deploy.
 */
function makePrivate(...directories) {
    for (const directory of directories) {
        try {
            (0,external_node_fs_namespaceObject.mkdirSync)(directory, { recursive: true, mode: 0o700 });
        }
        catch (error) {
            if (found(directory) === null)
                throw error;
        }
        requirePrivate(directory);
    }
}
/**
 * Refuses what stands in the place of a private directory of this user, with a `DeployFailure`. Nothing at all is not
 * refused. To be asked again before each use that trusts the content: whoever may write to the parent can exchange it.
 */
function requirePrivate(...directories) {
    const own = process.geteuid?.() ?? -1;
    for (const directory of directories) {
        const there = found(directory);
        const why = there === null ? null : refusal(there, own);
        if (there === null || why === null)
            continue;
        const isOurs = there.kind === 'directory' && there.uid === own;
        throw new DeployFailure(`${directory} ${why}. Its content cannot be trusted, so nothing was done with it.`, {
            remedy: isOurs
                ? `Look for files there that are not yours: 'ls -la ${directory}'. Then close it with 'chmod 700 ${directory}', and run the job again.`
                : `Another user of this host may have made it. Look at it with 'ls -ld ${directory}', move it away, and run the job again.`,
        });
    }
}
/**
 * Refuses a directory in which a user other than this one and root could exchange files, with a `DeployFailure`. Unlike a
 * private directory it may be a link, and others may read it, or write to it by its group. Nothing at all is not refused.
 */
function requireTrustworthy(directory, what) {
    const stat = (0,external_node_fs_namespaceObject.statSync)(directory, { throwIfNoEntry: false });
    if (stat === undefined)
        return;
    const own = process.geteuid?.() ?? -1;
    if (stat.uid !== own && stat.uid !== 0) {
        throw new DeployFailure(`${directory} (${what}) belongs to the user with id ${stat.uid}, but the deploy runs as the user with id ${own}.`, { remedy: 'Deploy as its owner: set username to that user.' });
    }
    if ((stat.mode & 0o002) === 0)
        return;
    throw new DeployFailure(`${directory} (${what}) can be written by every user of this host.`, {
        remedy: `Look for files there that are not yours: 'ls -la ${directory}'. Then close it with 'chmod o-w ${directory}', and run the job again.`,
    });
}
/** Why a place is no private directory of the user with the id `own`; null if it is one. */
function refusal({ kind, mode, uid }, own) {
    if (kind === 'file')
        return 'is no directory';
    if (kind !== 'directory')
        return `is a ${kind}, not a directory`;
    if (uid !== own)
        return `belongs to the user with id ${uid}, but the deploy runs as the user with id ${own}`;
    if ((mode & 0o077) === 0)
        return null;
    return `is open to other users: its mode is ${mode.toString(8).padStart(4, '0')}, and must be 0700`;
}
function found(path) {
    const stat = (0,external_node_fs_namespaceObject.lstatSync)(path, { throwIfNoEntry: false });
    if (stat === undefined)
        return null;
    const kind = stat.isSymbolicLink()
        ? `link to ${(0,external_node_fs_namespaceObject.readlinkSync)(path)}`
        : stat.isDirectory()
            ? 'directory'
            : 'file';
    return { kind, mode: stat.mode & 0o7777, uid: stat.uid };
}

;// CONCATENATED MODULE: ./host/build/env-input.js








/** Where `env-file` goes, relative to the top of the checkout; null if the host's own stays. */
function envFilePath({ envFile, workingDirectory, }) {
    return envFile === null ? null : (0,external_node_path_namespaceObject.join)(workingDirectory, envFile.path);
}
/** Writes it into the checkout at `top`, for this user alone to read. `tracked` are the commit's files. */
function writeEnvFile(top, path, content, tracked) {
    if (tracked.has(path)) {
        throw new DeployFailure(`env-file-path '${path}' is a file of the commit.`, {
            remedy: "Remove it from the repository ('git rm --cached'), or set env-file-path to another name.",
        });
    }
    const file = (0,external_node_path_namespaceObject.join)(top, path);
    const directory = (0,external_node_path_namespaceObject.dirname)(file);
    const isThere = (0,external_node_fs_namespaceObject.existsSync)(directory) && (0,external_node_fs_namespaceObject.statSync)(directory).isDirectory();
    if (!isThere || !isWithin(realOrSame(top), realOrSame(directory))) {
        throw new DeployFailure(`env-file-path '${path}' is in a directory that the commit does not have.`, {
            remedy: 'Set a path in a directory of the repository, relative to working-directory.',
        });
    }
    if ((0,external_node_fs_namespaceObject.lstatSync)(file, { throwIfNoEntry: false })?.isDirectory()) {
        throw new DeployFailure(`env-file-path '${path}' is a directory of the new version.`, {
            remedy: `Give the path of a file, such as '${path}/.env'.`,
        });
    }
    (0,external_node_fs_namespaceObject.rmSync)(file, { force: true });
    (0,external_node_fs_namespaceObject.writeFileSync)(file, content, { mode: 0o600, flag: 'wx' });
    // Whatever the umask says.
    (0,external_node_fs_namespaceObject.chmodSync)(file, 0o600);
}
/** Copies of replaced env files that stay, beside the first one. */
const KEPT = 10;
/**
 * To be called when the staged files have been given the owners and modes of what they replace. Takes the env file away
 * from other readers again, and keeps a copy of what it replaces. The first copy stays for good: nobody may have that
 * content anywhere else.
 */
function guardEnvFile({ plan, places, log }, staging) {
    const path = envFilePath(plan);
    if (path === null)
        return;
    (0,external_node_fs_namespaceObject.chmodSync)((0,external_node_path_namespaceObject.join)(staging, path), 0o600);
    const old = contentOf((0,external_node_path_namespaceObject.join)(treeOf(places), path));
    if (old === null || old.equals(Buffer.from(plan.envFile?.content ?? '')))
        return;
    const directory = (0,external_node_path_namespaceObject.join)(places.state, 'env-files');
    makePrivate(directory);
    const copy = (0,external_node_path_namespaceObject.join)(directory, `${new Date().toISOString().replace(/[:.]/g, '-')}-${plan.deployId}`);
    writeDurably(copy, old);
    const [, ...later] = (0,external_node_fs_namespaceObject.readdirSync)(directory).sort();
    for (const name of later.slice(0, -KEPT))
        (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.join)(directory, name), { force: true });
    inform(log, `env-file replaces ${path} of the server. Its old content is kept in ${copy}.`);
}
/** Bytes: not every env file is UTF-8, and a copy has to be the same. */
function contentOf(file) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(file);
    }
    catch (error) {
        if (error.code === 'ENOENT')
            return null;
        throw error;
    }
}

;// CONCATENATED MODULE: ./host/system/checked.js
/** A value is not what it has to be. */
class Misshapen extends Error {
    constructor(at, takes) {
        super(`${at === '' ? 'it' : at} is not ${takes}`);
        this.name = 'Misshapen';
    }
}
const checked_text = (value, at) => {
    if (typeof value !== 'string')
        throw new Misshapen(at, 'a text');
    return value;
};
const number = (value, at) => {
    if (typeof value !== 'number' || !Number.isFinite(value))
        throw new Misshapen(at, 'a number');
    return value;
};
const flag = (value, at) => {
    if (typeof value !== 'boolean')
        throw new Misshapen(at, 'true or false');
    return value;
};
function oneOf(values) {
    return (value, at) => {
        const found = values.find((known) => known === value);
        if (found === undefined)
            throw new Misshapen(at, `one of ${values.join(', ')}`);
        return found;
    };
}
function orNull(check) {
    return (value, at) => (value === null ? null : check(value, at));
}
function listOf(check) {
    return (value, at) => {
        if (!Array.isArray(value))
            throw new Misshapen(at, 'a list');
        return value.map((item, index) => check(item, `${at}[${index}]`));
    };
}
/** Any names, each with a T. */
function mapOf(check) {
    return (value, at) => {
        const entries = Object.entries(object(value, at));
        return Object.fromEntries(entries.map(([name, item]) => [name, check(item, `${at}.${name}`)]));
    };
}
/** These names, each with its own check; what else is there is left out. */
function fields(checks) {
    return (value, at) => {
        const given = object(value, at);
        const names = Object.keys(checks);
        const taken = names.map((name) => [name, checks[name](given[name], at === '' ? name : `${at}.${name}`)]);
        return Object.fromEntries(taken);
    };
}
const object = (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
        throw new Misshapen(at, 'an object');
    return value;
};
/** Whether a line is whole: a power cut or a full disk tears one. */
function isJson(line) {
    try {
        JSON.parse(line);
        return true;
    }
    catch {
        return false;
    }
}
/** The object that a line of JSON holds, or null: a line may be torn, or written by somebody else. */
function objectIn(line) {
    try {
        return object(JSON.parse(line), '');
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: external "node:child_process"
const external_node_child_process_namespaceObject = require("node:child_process");
;// CONCATENATED MODULE: external "node:stream"
const external_node_stream_namespaceObject = require("node:stream");
;// CONCATENATED MODULE: external "node:string_decoder"
const external_node_string_decoder_namespaceObject = require("node:string_decoder");
;// CONCATENATED MODULE: ./host/system/line-splitter.js
var __classPrivateFieldSet = (undefined && undefined.__classPrivateFieldSet) || function (receiver, state, value, kind, f) {
    if (kind === "m") throw new TypeError("Private method is not writable");
    if (kind === "a" && !f) throw new TypeError("Private accessor was defined without a setter");
    if (typeof state === "function" ? receiver !== state || !f : !state.has(receiver)) throw new TypeError("Cannot write private member to an object whose class did not declare it");
    return (kind === "a" ? f.call(receiver, value) : f ? f.value = value : state.set(receiver, value)), value;
};
var __classPrivateFieldGet = (undefined && undefined.__classPrivateFieldGet) || function (receiver, state, kind, f) {
    if (kind === "a" && !f) throw new TypeError("Private accessor was defined without a getter");
    if (typeof state === "function" ? receiver !== state || !f : !state.has(receiver)) throw new TypeError("Cannot read private member from an object whose class did not declare it");
    return kind === "m" ? f : kind === "a" ? f.call(receiver) : f ? f.value : state.get(receiver);
};
var _LineSplitter_decoder, _LineSplitter_onLine, _LineSplitter_rest, _LineSplitter_given;

/** Characters of one line; a line of this length was cut. */
const LONGEST_LINE = 4096;
/** Cuts a byte stream into lines at `\n`, `\r\n` and a lone `\r`. Of a longer line only the beginning is given, at once. */
class LineSplitter {
    constructor(onLine) {
        _LineSplitter_decoder.set(this, new external_node_string_decoder_namespaceObject.StringDecoder('utf8'));
        _LineSplitter_onLine.set(this, void 0);
        _LineSplitter_rest.set(this, '');
        /** The line that goes on was given already. */
        _LineSplitter_given.set(this, false);
        __classPrivateFieldSet(this, _LineSplitter_onLine, onLine, "f");
    }
    write(chunk) {
        // A `\r` at the end may be the first half of `\r\n`: it waits for the next chunk.
        const lines = (__classPrivateFieldGet(this, _LineSplitter_rest, "f") + __classPrivateFieldGet(this, _LineSplitter_decoder, "f").write(chunk)).split(/\r\n|\n|\r(?!$)/);
        __classPrivateFieldSet(this, _LineSplitter_rest, lines.pop() ?? '', "f");
        for (const line of lines) {
            if (!__classPrivateFieldGet(this, _LineSplitter_given, "f"))
                __classPrivateFieldGet(this, _LineSplitter_onLine, "f").call(this, line.slice(0, LONGEST_LINE));
            __classPrivateFieldSet(this, _LineSplitter_given, false, "f");
        }
        const waits = __classPrivateFieldGet(this, _LineSplitter_rest, "f").endsWith('\r') ? '\r' : '';
        if (__classPrivateFieldGet(this, _LineSplitter_rest, "f").length - waits.length < LONGEST_LINE && !__classPrivateFieldGet(this, _LineSplitter_given, "f"))
            return;
        if (!__classPrivateFieldGet(this, _LineSplitter_given, "f"))
            __classPrivateFieldGet(this, _LineSplitter_onLine, "f").call(this, __classPrivateFieldGet(this, _LineSplitter_rest, "f").slice(0, LONGEST_LINE));
        __classPrivateFieldSet(this, _LineSplitter_given, true, "f");
        __classPrivateFieldSet(this, _LineSplitter_rest, waits, "f");
    }
    end() {
        const last = (__classPrivateFieldGet(this, _LineSplitter_rest, "f") + __classPrivateFieldGet(this, _LineSplitter_decoder, "f").end()).replace(/\r$/, '');
        __classPrivateFieldSet(this, _LineSplitter_rest, '', "f");
        if (last !== '' && !__classPrivateFieldGet(this, _LineSplitter_given, "f"))
            __classPrivateFieldGet(this, _LineSplitter_onLine, "f").call(this, last.slice(0, LONGEST_LINE));
    }
}
_LineSplitter_decoder = new WeakMap(), _LineSplitter_onLine = new WeakMap(), _LineSplitter_rest = new WeakMap(), _LineSplitter_given = new WeakMap();

;// CONCATENATED MODULE: ./host/system/command.js



/** For `keep`, where all of stdout is wanted and a limit is only against running out of memory. */
const ALL_OF_IT = 64 * 1024 * 1024;
const TAIL_LINES = 40;
/** Between SIGTERM and SIGKILL, in milliseconds. */
const GRACE = 2_000;
/**
 * Runs one program with an argument array, never a shell, in a process group of its own.
 * It resolves whatever the program does; it rejects only where the program cannot be started.
 */
function run(file, args, options) {
    return new Promise((resolve, reject) => {
        const started = process.hrtime.bigint();
        const [program, argv] = options.inOrder ? merged(file, args) : [file, args];
        const child = (0,external_node_child_process_namespaceObject.spawn)(program, argv, {
            cwd: options.cwd,
            env: options.env,
            detached: true,
            stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(options.holds ?? [])],
        });
        if (child.pid !== undefined)
            options.onSpawn?.(child.pid);
        let stopped = null;
        const stop = (why) => {
            stopped ??= why;
            killGroup(child);
        };
        const limit = setTimeout(() => stop('time limit'), options.timeLimit);
        const onCancel = () => stop('cancelled');
        if (options.cancel?.aborted)
            onCancel();
        options.cancel?.addEventListener('abort', onCancel);
        const tail = [];
        const onLine = (line) => {
            tail.push(line);
            if (tail.length > (options.tailLines ?? TAIL_LINES))
                tail.shift();
            options.onLine?.(line);
        };
        const stdout = [];
        let kept = 0;
        const outLines = new LineSplitter(onLine);
        const errLines = new LineSplitter(onLine);
        child.stdout?.on('data', (chunk) => {
            if (kept < (options.keep ?? 0))
                stdout.push(chunk);
            kept += chunk.length;
            outLines.write(chunk);
        });
        child.stderr?.on('data', (chunk) => errLines.write(chunk));
        if (child.stdin) {
            // A program that does not read its input is judged by its exit code, not by our EPIPE.
            if (options.input instanceof external_node_stream_namespaceObject.Readable)
                (0,external_node_stream_namespaceObject.pipeline)(options.input, child.stdin, () => { });
            else {
                child.stdin.on('error', () => { });
                child.stdin.end(options.input);
            }
        }
        const finish = () => {
            clearTimeout(limit);
            options.cancel?.removeEventListener('abort', onCancel);
        };
        child.once('error', (error) => {
            finish();
            reject(error);
        });
        const settle = (code, signal) => {
            finish();
            outLines.end();
            errLines.end();
            resolve({
                code,
                signal,
                stopped,
                stdout: Buffer.concat(stdout).toString('utf8'),
                tail,
                durationMs: Number(process.hrtime.bigint() - started) / 1e6,
            });
        };
        child.once('close', settle);
        // A background child may keep the pipes open for ever: what it prints after the program's end is not waited for.
        child.once('exit', () => {
            if (options.reap)
                signalGroup(child.pid, 'SIGKILL');
            setTimeout(() => {
                child.stdout?.destroy();
                child.stderr?.destroy();
            }, GRACE).unref();
        });
    });
}
/** Node has no pipe for two streams; of the shell's line nothing is made from what is run. */
function merged(file, args) {
    return ['sh', ['-c', 'exec "$0" "$@" 2>&1', file, ...args]];
}
function killGroup(child) {
    signalGroup(child.pid, 'SIGTERM');
    setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE).unref();
}
/** Sends a signal to a process that leads a group, and to all of its group. */
function signalGroup(pid, signal) {
    if (pid === undefined)
        return;
    try {
        process.kill(-pid, signal);
    }
    catch {
        // The group is gone, which is what was wanted.
    }
}

;// CONCATENATED MODULE: ./host/system/processes.js



/**
 * When a process started, in clock ticks since boot (100 a second on Linux); null if there is no such process.
 * Pid and start together name a process for good: a reused pid has another start.
 */
function startTicks(pid) {
    const start = Number(statOf(pid)?.[19]);
    return Number.isInteger(start) ? start : null;
}
/** Whether the process runs. A zombie does not. */
function isAlive(pid) {
    const state = statOf(pid)?.[0];
    return state !== undefined && state !== 'Z' && state !== 'X';
}
/** The pids of the process's direct children. */
function childrenOf(pid) {
    try {
        const children = [];
        for (const task of (0,external_node_fs_namespaceObject.readdirSync)(`/proc/${pid}/task`)) {
            const list = (0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/task/${task}/children`, 'latin1');
            children.push(...list.split(' ').filter(Boolean).map(Number));
        }
        return children;
    }
    catch {
        // A kernel without these files, or a process that has just ended.
        return allPids().filter((other) => Number(statOf(other)?.[1]) === pid);
    }
}
/** The children, their children, and so on. An app that npm starts runs as one of them. */
function descendantsOf(pid) {
    const found = [];
    const ahead = childrenOf(pid);
    for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
        found.push(next);
        ahead.push(...childrenOf(next));
    }
    return found;
}
/**
 * The value of `startTicks` for a process that starts now. A process with a smaller value started earlier for sure. One
 * with an equal value started within the same hundredth of a second.
 * It is read from a child of ours, because /proc/uptime counts from another moment in some containers.
 */
function ticksNow() {
    const child = (0,external_node_child_process_namespaceObject.spawn)(process.execPath, ['--version'], { stdio: 'ignore' });
    child.on('error', () => { });
    const { pid } = child;
    // Node does not reap it before this function returns, so its entry exists however short it lives.
    const ticks = pid === undefined ? null : startTicks(pid);
    child.kill('SIGKILL');
    child.unref();
    if (ticks === null)
        throw new Error('no child can be started, or /proc cannot be read');
    return ticks;
}
/** Names this boot of the machine: ticks and pids of another boot mean nothing. Empty if it is not known. */
function bootId() {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    }
    catch {
        return '';
    }
}
const moment = fields({ boot: checked_text, ticks: number });
function momentNow() {
    return { boot: bootId(), ticks: ticksNow() };
}
/** The moment's ticks. Null if the machine was booted since: then every process started later. */
function ticksOf(moment) {
    return moment.boot === bootId() ? moment.ticks : null;
}
/** Whether the process runs, and was started after this moment for sure. */
function startedSince(pid, since) {
    const [started, ticks] = [startTicks(pid), ticksOf(since)];
    return started !== null && (ticks === null || started > ticks);
}
/** The arguments of a process, its program first; none where it is gone. */
function argumentsOf(pid) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    }
    catch {
        return [];
    }
}
/** The variables that a process was started with; none where it is gone, or another user's. */
function environmentOf(pid) {
    try {
        const lines = (0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/environ`, 'utf8').split('\0');
        return new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    }
    catch {
        return new Map();
    }
}
/** The directory that a process stands in; one that is nowhere if the process is gone, or another user's. */
function directoryOf(pid) {
    const link = `/proc/${pid}/cwd`;
    // Of a directory that was removed it still tells the name.
    return targetOf(link) ?? link;
}
/**
 * Where a process stands, its program, and all files that it has open or mapped: real paths, some of them twice. None where it is
 * gone, or another user's.
 */
function filesOf(pid) {
    const open = namesIn(`/proc/${pid}/fd`).map((name) => `fd/${name}`);
    const links = ['cwd', 'exe', ...open].flatMap((name) => targetOf(`/proc/${pid}/${name}`) ?? []);
    return [...links, ...mappedBy(pid)];
}
function mappedBy(pid) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/maps`, 'utf8').match(/\/.+$/gm) ?? [];
    }
    catch {
        return [];
    }
}
function targetOf(link) {
    try {
        return (0,external_node_fs_namespaceObject.readlinkSync)(link);
    }
    catch {
        return null;
    }
}
function namesIn(directory) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(directory);
    }
    catch {
        return [];
    }
}
/** All pids that this user can see. */
function allPids() {
    return namesIn('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number);
}
/** The fields of /proc/PID/stat from the third (state) on. The second is a name that may hold blanks and parentheses. */
function statOf(pid) {
    if (!Number.isInteger(pid) || pid <= 0)
        return null;
    try {
        const stat = (0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/stat`, 'latin1');
        return stat
            .slice(stat.lastIndexOf(')') + 2)
            .trim()
            .split(' ');
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./host/system/lock-holder.js


/**
 * The processes that took the lock (flock) of an open file, by /proc/locks: one, or those that share it. A lock outlives
 * whoever took it in a process that has the same open file. One that has ended, or is hidden from us, is null.
 */
function takersOf(descriptor) {
    const name = lockName(descriptor);
    return read('/proc/locks')
        .split('\n')
        .map((line) => /^\d+: FLOCK +\S+ +\S+ +(\d+) (\S+) /.exec(line))
        .filter((match) => match?.[2] === name)
        .map((match) => processOf(Number(match?.[1])));
}
/** The processes that have the locked file open, of those into which this user may look. */
function keepersOf(descriptor) {
    const name = lockName(descriptor);
    const keeps = (pid) => {
        try {
            return (0,external_node_fs_namespaceObject.readdirSync)(`/proc/${pid}/fdinfo`).some((fd) => {
                const text = read(`/proc/${pid}/fdinfo/${fd}`);
                return text.includes('FLOCK') && text.includes(` ${name} `);
            });
        }
        catch {
            return false;
        }
    };
    return allPids()
        .filter(keeps)
        .map(processOf)
        .filter((one) => one !== null);
}
/**
 * The holders of a directory's lock as text, if none of them may write to the directory: then none is a deploy. Null if one
 * may. A holder that cannot be seen is of another user. It counts as one that may write if another user than the owner may.
 */
function outsiders(descriptor, directory) {
    const takers = takersOf(descriptor);
    const keepers = keepersOf(descriptor);
    const seen = [...takers.filter((one) => one !== null), ...keepers];
    const [first] = seen;
    const unseen = takers.includes(null) && keepers.length === 0;
    if (takers.length === 0 || seen.some((one) => mayWrite(one, directory)))
        return null;
    if (unseen && (directory.mode & 0o022) !== 0)
        return null;
    return first === undefined ? "another user's process, which cannot be seen" : describeProcess(first);
}
function mayWrite({ uid, gids }, { mode, uid: owner, gid }) {
    if (uid === 0 || uid === owner || uid === process.geteuid?.())
        return true;
    return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gids.includes(gid));
}
function describeProcess({ pid, uid, command }) {
    const user = read('/etc/passwd')
        .split('\n')
        .map((line) => line.split(':'))
        .find(([, , id]) => id === String(uid))?.[0];
    return `process ${pid} (${command}) of ${user === undefined ? `the user with id ${uid}` : `the user ${user}`}`;
}
/** As the kernel names the file of a lock: `major:minor:inode`, the first two in hexadecimal. */
function lockName(descriptor) {
    const { dev, ino } = (0,external_node_fs_namespaceObject.fstatSync)(descriptor, { bigint: true });
    const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
    const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
    const hex = (number) => number.toString(16).padStart(2, '0');
    return `${hex(major)}:${hex(minor)}:${ino}`;
}
function processOf(pid) {
    if (!isAlive(pid))
        return null;
    const status = read(`/proc/${pid}/status`);
    const field = (name) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]?.trim().split(/\s+/) ?? [];
    const [uid] = field('Uid');
    const [gid] = field('Gid');
    if (uid === undefined || gid === undefined)
        return null;
    const gids = [gid, ...field('Groups')].map(Number);
    return { pid, uid: Number(uid), gids, command: read(`/proc/${pid}/comm`).trim() };
}
function read(file) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8');
    }
    catch {
        return '';
    }
}

;// CONCATENATED MODULE: ./host/system/lock.js






function descriptorsOf(held) {
    return [...held].flatMap(({ descriptors }) => descriptors);
}
const RETRY_EVERY = 500;
/**
 * Takes the kernel's locks on these files. Waits up to the time limit. The kernel releases them when their last holder ends,
 * however it ends. The lock is in `held` until it is released.
 */
async function takeLock(held, files, run, wait) {
    const deadline = performance.now() + wait.timeLimit;
    const descriptors = [];
    let late = null;
    try {
        for (const own of files.own) {
            const descriptor = openOwn(own);
            if (descriptor === null)
                continue;
            descriptors.push(descriptor);
            await seize(descriptor, files, deadline, wait);
        }
        const descriptor = (0,external_node_fs_namespaceObject.openSync)(files.directory, 'r');
        descriptors.push(descriptor);
        if (!(await seize(descriptor, files, deadline, wait)))
            late = seizeLater(descriptor);
    }
    catch (error) {
        for (const descriptor of descriptors)
            (0,external_node_fs_namespaceObject.closeSync)(descriptor);
        throw error;
    }
    try {
        writeDurably(files.note, JSON.stringify({ run, since: new Date().toISOString() }));
    }
    catch {
        // On a full disk nobody can read who holds the lock. It is held all the same.
    }
    const lock = {
        descriptors,
        release() {
            if (late !== null)
                clearInterval(late);
            held.delete(lock);
            (0,external_node_fs_namespaceObject.rmSync)(files.note, { force: true });
            for (const descriptor of descriptors) {
                unlock(descriptor);
                (0,external_node_fs_namespaceObject.closeSync)(descriptor);
            }
        },
    };
    held.add(lock);
    return lock;
}
/** Who holds the lock now; null if nobody does. Writes nothing. */
function holderOf(files) {
    for (const file of [...files.own, files.directory]) {
        const descriptor = openIfReadable(file);
        if (descriptor === null)
            continue;
        try {
            // If it is free, we hold it for an instant. Whoever asks just then asks again.
            if (tryLock(descriptor) || outsidersAt(descriptor, files) !== null)
                continue;
            return describeHolder(descriptor, files.note);
        }
        finally {
            (0,external_node_fs_namespaceObject.closeSync)(descriptor);
        }
    }
    return null;
}
/** The pids of the processes that hold any lock of these files, of those into which this user may look. */
function keepersOfLock({ own, directory }) {
    const pids = [...own, directory].flatMap((file) => {
        const descriptor = openIfReadable(file);
        if (descriptor === null)
            return [];
        try {
            return keepersOf(descriptor).map(({ pid }) => pid);
        }
        finally {
            (0,external_node_fs_namespaceObject.closeSync)(descriptor);
        }
    });
    return [...new Set(pids)];
}
/** Waits until the lock of one file is ours. False if it is the directory's, and held by somebody who does not count. */
async function seize(descriptor, files, deadline, wait) {
    let told = '';
    while (!tryLock(descriptor)) {
        const outside = outsidersAt(descriptor, files);
        if (outside !== null) {
            wait.onWait(`The lock of ${files.directory} is held by ${outside}. That is no deploy: it may not write there. So this run goes on without that lock.`);
            return false;
        }
        const holder = describeHolder(descriptor, files.note);
        if (performance.now() >= deadline) {
            throw new DeployFailure(`Gave up after ${Math.round(wait.timeLimit / 1000)} s (lock-timeout): another deploy holds the lock of ${files.directory}: ${holder}.`, {
                remedy: 'Let that deploy end, or cancel it. If the process is no deploy, end it. Then run this job again. A lock ends with its holder; nothing breaks it.',
            });
        }
        if (holder !== told)
            wait.onWait(`Waiting for the lock of ${files.directory}: held by ${holder}.`);
        told = holder;
        await pause(Math.min(RETRY_EVERY, deadline - performance.now()), wait.cancel);
    }
    return true;
}
/** Takes a lock as soon as it is free, so that a deploy of an older version waits for us. */
function seizeLater(descriptor) {
    const timer = setInterval(() => {
        if (tryLock(descriptor))
            clearInterval(timer);
    }, RETRY_EVERY);
    return timer.unref();
}
/** Those who hold the directory's lock, as text, if none of them may write to it. Null otherwise. */
function outsidersAt(descriptor, { directory }) {
    const isDirectory = (0,external_node_fs_namespaceObject.fstatSync)(descriptor).isDirectory();
    return isDirectory ? outsiders(descriptor, (0,external_node_fs_namespaceObject.statSync)(directory)) : null;
}
/** Opens a lock file, or makes one that belongs to the owner of its directory. Null if another user keeps it to himself. */
function openOwn(file) {
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = external_node_fs_namespaceObject.constants;
    try {
        const descriptor = (0,external_node_fs_namespaceObject.openSync)(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
        const owner = (0,external_node_fs_namespaceObject.statSync)((0,external_node_path_namespaceObject.dirname)(file));
        if (process.geteuid?.() === 0 && owner.uid !== 0)
            (0,external_node_fs_namespaceObject.fchownSync)(descriptor, owner.uid, owner.gid);
        return descriptor;
    }
    catch (error) {
        if (error.code === 'EACCES')
            return null;
        throw error;
    }
}
function openIfReadable(file) {
    if (!(0,external_node_fs_namespaceObject.existsSync)(file))
        return null;
    try {
        return (0,external_node_fs_namespaceObject.openSync)(file, 'r');
    }
    catch (error) {
        if (error.code === 'EACCES')
            return null;
        throw error;
    }
}
/** Node has no flock(2). The `flock` of util-linux or busybox locks the open file that we pass, and the file stays ours. */
function tryLock(descriptor) {
    const result = (0,external_node_child_process_namespaceObject.spawnSync)('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'pipe', descriptor] });
    if (result.error) {
        throw new DeployFailure("The command 'flock' is not on this host.", {
            remedy: 'Install util-linux (Debian, Ubuntu, RHEL) or busybox (Alpine).',
            cause: result.error,
        });
    }
    const complaint = result.stderr.toString().trim();
    if (result.status !== 0 && complaint !== '')
        throw new DeployFailure(`The lock cannot be taken: ${complaint}`);
    return result.status === 0;
}
/** Closing is not enough: whoever was given the open file would keep it locked. */
function unlock(descriptor) {
    (0,external_node_child_process_namespaceObject.spawnSync)('flock', ['-u', '3'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] });
}
/** Whoever may read a directory can hold its lock: a note that an ended deploy of ours left says nothing of them. */
function describeHolder(descriptor, note) {
    const [taker] = takersOf(descriptor);
    if (taker && taker.uid !== process.geteuid?.())
        return describeProcess(taker);
    try {
        const { run, since } = JSON.parse(readIfThere(note) ?? '');
        return `${run.actor}, ${run.url}, since ${since}`;
    }
    catch {
        const holder = taker ?? keepersOf(descriptor)[0];
        return holder === undefined
            ? "another user's process, or one that left no name (run 'lslocks' as root on the server)"
            : describeProcess(holder);
    }
}
function pause(ms, cancel) {
    return new Promise((resolve, reject) => {
        const onAbort = () => {
            clearTimeout(timer);
            reject(cancel.reason);
        };
        const timer = setTimeout(() => {
            cancel.removeEventListener('abort', onAbort);
            resolve();
        }, Math.max(ms, 0));
        if (cancel.aborted)
            onAbort();
        else
            cancel.addEventListener('abort', onAbort, { once: true });
    });
}

;// CONCATENATED MODULE: ./host/git/credentials.js

const TOKEN = 'PM2_SSH_DEPLOY_GIT_TOKEN';
const HOST = 'PM2_SSH_DEPLOY_GIT_HOST';
/** Names a file that the helper makes when the token is refused. */
const REFUSED = 'PM2_SSH_DEPLOY_GIT_REFUSED';
/**
 * Answers with the token when git asks for a login to one host over https, and stores nothing. It is POSIX sh. `echo` and
 * `read` are built in everywhere, so no argument list ever holds the token.
 *
 * Git-lfs asks again as often as a login is refused. So a token that was refused is not given again, where a file notes it.
 */
const HELPER = `!f() { p=; h=; while IFS== read -r k v; do case $k in protocol) p=$v ;; host) h=$v ;; esac; done; test "$p" = https && test "$h" = "$${HOST}" || return 0; r=$${REFUSED}; case $1 in erase) test -z "$r" || : > "$r" ;; get) test -n "$r" && test -e "$r" && return 0; echo username=x-access-token; echo "password=$${TOKEN}" ;; esac; }; f`;
/** Variables that could write the token, or its connection's keys, to a file, or send it to an unproved git server. */
const LEAKS = /^(GIT_TRACE|GIT_TRANSFER_TRACE$|SSH_ASKPASS$|GIT_CURL_VERBOSE$|GIT_SSL_NO_VERIFY$|GIT_REDACT|SSLKEYLOGFILE$)/;
/** The host's trace2.* settings can be turned off only in the environment: git reads them before its arguments. */
const NO_TRACE = { GIT_TRACE2: '0', GIT_TRACE2_EVENT: '0', GIT_TRACE2_PERF: '0' };
/**
 * How git is given the token, for one command on `address`, which is on the token's server: in that command's environment,
 * by a helper of ours that stands in for all that the host has. Of what git may be told to run, nothing is run but that
 * helper. Git 2.25 and later.
 *
 * Git lets the setting for the longest address win, and among equals the last one. So ours name the whole address.
 * `refused` is the file that notes that the token was refused; it begins as absent.
 */
function accessTo(address, { value, server }, refused = '') {
    return {
        settings: [
            [`credential.${address}.helper`, ''],
            [`credential.${address}.helper`, HELPER],
            [`http.${address}.extraHeader`, ''],
            // Git would offer the token wherever a redirect leads. So the address has to be the right one.
            [`http.${address}.followRedirects`, 'false'],
            [`http.${address}.sslVerify`, 'true'],
            // The longest rule wins, so the host's settings cannot rewrite the address.
            [`url.${address}.insteadOf`, address],
            ['core.alternateRefsCommand', 'true'],
            ...ofLargeFiles(address, server),
        ],
        environment: (base) => ({
            ...Object.fromEntries(Object.entries(base).filter(([name]) => !LEAKS.test(name))),
            ...NO_TRACE,
            GIT_ASKPASS: '',
            GIT_ALLOW_PROTOCOL: 'https',
            // Git-lfs asks nobody which protocols are allowed.
            GIT_SSH_COMMAND: 'false',
            [HOST]: new URL(server).host,
            [TOKEN]: value,
            [REFUSED]: refused,
        }),
    };
}
/**
 * The same for git-lfs, which reads git's settings in ways of its own: it asks for a login by the server's name alone, and
 * judges the certificate by settings for the server, or for all.
 */
function ofLargeFiles(address, server) {
    const endpoint = `${address.replace(/(\.git)?\/*$/, '')}.git/info/lfs`;
    return [
        [`credential.${server}.helper`, ''],
        [`credential.${server}.helper`, HELPER],
        [`credential.${server}.useHttpPath`, 'false'],
        ['http.sslVerify', 'true'],
        [`http.${server}.sslVerify`, 'true'],
        [`http.${endpoint}.extraHeader`, ''],
        // Otherwise it finds out by a request without the token, and writes it down.
        [`lfs.${endpoint}.access`, 'basic'],
        // No program of the host's or the repository's carries the files over.
        ['lfs.basicTransfersOnly', 'true'],
        ['lfs.standaloneTransferAgent', ''],
    ];
}
/** The forms in which a log could show the token: as it is, and as git sends it. */
function formsOf({ value }) {
    return [value, Buffer.from(`x-access-token:${value}`).toString('base64')];
}
/**
 * The https address, without a login in it, of the repository that `address` names, where it lies on the token's server
 * and is reached over https or ssh; else null.
 */
function addressOnServer(address, { server }) {
    const { host, hostname } = new URL(server);
    const scp = /^(?:[^@/:]+@)?([^@/:]+|\[[^\]]+\]):(?!\/\/)\/*(.+)$/.exec(address);
    if (scp)
        return scp[1]?.toLowerCase() === hostname ? `${server}/${scp[2]}` : null;
    let url;
    try {
        url = new URL(address);
    }
    catch {
        return null;
    }
    const isThere = url.protocol === 'https:' ? url.host === host : url.protocol === 'ssh:' && url.hostname === hostname;
    return isThere ? `${server}${url.pathname}` : null;
}
/** What git prints if the other side refuses the login. GitHub answers `not found` then. */
const NOT_LET_IN = /could not read (?:Username|Password)|Authentication failed|terminal prompts disabled|HTTP Basic: Access denied|error: 40[13]\b|Permission denied \(|Host key verification failed|cannot run ssh|Repository not found|repository '.*' not found/i;
/** A changed host key is not a lack of credentials: somebody else may be answering. */
const SOMEBODY_ELSE = /IDENTIFICATION HAS CHANGED/;
/** Whether git failed because the other side wants other credentials. */
function lacksCredentials({ code, stopped, tail }) {
    const text = tail.join('\n');
    return code !== 0 && stopped === null && NOT_LET_IN.test(text) && !SOMEBODY_ELSE.test(text);
}
const OTHERS = "The workflow's own token reads only the workflow's own repository. For another one, set git-token to a personal access token or a GitHub App's token that may read its contents. Or give the server a deploy key for it.";
/** For a login that opens the commits and not the large files. */
const LARGE_FILES_REFUSED = "The same login opens the commits. Look on the git server whether Git LFS is on for this repository, whether its quota is used up, and which rights it asks for. Set git-token to a token that has these rights. If the app does not need the large files, run this on the server: git config --global lfs.fetchexclude '*'.";
/** Why the token opened nothing, and what to do. The first match counts. */
const REFUSALS = [
    [
        /^batch response: Git credentials/m,
        'Git LFS, which keeps the large files, answers that it does not know the token (401)',
        LARGE_FILES_REFUSED,
    ],
    [
        /could not read|terminal prompts disabled/i,
        'a setting of git led to another server, and git-token is not sent there',
        'Look for url.<…>.insteadOf in the settings of git on the server (git config --list --show-origin).',
    ],
    [
        /not found/i,
        'the git server answers that there is no such repository. It says the same to a token that may not read the repository',
        `Add 'permissions: contents: read' to the workflow. ${OTHERS}`,
    ],
    [
        /40[3]\b/,
        'the git server knows the token and does not let it read the repository (403)',
        `Add 'permissions: contents: read' to the workflow. ${OTHERS} The git server's answer is below. An organization may ask for single sign-on, or allow only certain addresses; the server's address has to be one of them.`,
    ],
    [
        /./,
        'the git server does not know the token. It has expired, was revoked, or belongs to another server',
        "Leave git-token out, and the workflow's own token is used. Or renew the token in git-token. The workflow's own token is valid until its job ends.",
    ],
];
/** The failure to report if neither the server's own credentials nor the token opened `address`. */
function refusedToken(address, own, result) {
    const output = result.tail.filter((line) => line.trim() !== '');
    const [, why, remedy] = REFUSALS.find(([pattern]) => pattern.test(output.join('\n'))) ?? ['', '', ''];
    return new DeployFailure(`Neither the server's own credentials nor git-token opened ${address}: ${why}.`, {
        remedy,
        output: [...own.filter((line) => line.trim() !== ''), ...output],
    });
}

;// CONCATENATED MODULE: ./host/git/git.js




/**
 * Hooks, the file system monitor and garbage collection are off. In a deploy no program of the repository's own may run,
 * and no background process may outlive it. stdin is empty, so no prompt can be answered.
 */
const ALWAYS = inArguments([
    ['core.hooksPath', '/dev/null'],
    ['core.fsmonitor', 'false'],
    ['gc.auto', '0'],
    ['maintenance.auto', 'false'],
    ['advice.detachedHead', 'false'],
    ['protocol.ext.allow', 'never'],
    // A larger file is not read into memory as a whole.
    ['core.bigFileThreshold', '32m'],
]);
const REMOTE = new Set(['fetch', 'ls-remote', 'checkout', 'submodule', 'lfs']);
function gitIn(directory, options) {
    const attempt = (args, { input, access, settings: more = [] } = {}) => {
        const own = { ...options.env, GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' };
        const env = access?.environment(own) ?? own;
        const settings = [...ALWAYS, ...inArguments(access?.settings ?? []), ...inArguments(more)];
        // A command that talks to a remote may leave a process behind (credential-cache--daemon) that would keep the lock.
        const holds = REMOTE.has(args[0] ?? '') ? [] : descriptorsOf(options.locks);
        const { timeLimit, cancel } = options;
        const runOptions = {
            cwd: directory,
            env,
            timeLimit,
            keep: ALL_OF_IT,
            ...(cancel && { cancel }),
            ...(input !== undefined && { input }),
            holds,
        };
        return options.clock.book('git', () => run('git', [...settings, ...args], runOptions));
    };
    const failure = (result, what) => gitFailure(result, what, options);
    return {
        directory,
        attempt,
        failure,
        async text(args, what) {
            const result = await attempt(args);
            if (result.code !== 0)
                throw failure(result, what);
            return result.stdout;
        },
    };
}
function inArguments(settings) {
    return settings.flatMap(([key, value]) => ['-c', `${key}=${value}`]);
}
/** What to do, by what git printed. The first match counts. */
const CAUSES = [
    [
        /Object does not exist on the server/i,
        "The repository has pointers to files that were never pushed to Git LFS. In a clone that has the files, run 'git lfs push --all origin'.",
    ],
    [/batch response: (?:Authorization error|Repository or object not found|.*quota)/i, LARGE_FILES_REFUSED],
    [
        /smudge filter lfs failed|git-lfs.*(?:credential|Authenti|Authori)/i,
        "The server's own credentials do not open the large files (Git LFS) of a submodule, and git-token is not used for them. Give the server a deploy key for that repository, or a login in its git credentials.",
    ],
    [
        /Could not resolve host/i,
        "The server cannot resolve the name of the git server. Check the server's DNS and internet connection.",
    ],
    [
        /could not read Username|Authentication failed|terminal prompts disabled|HTTP Basic: Access denied|error: 403/i,
        "The server may not read the repository over https. git-token opens repositories of the workflow's own GitHub server, and no others. For others, add a deploy key to the repository and use its ssh address: in the checkout (git remote set-url origin git@…) or in the input repository.",
    ],
    [
        /returned error: 30[12378]\b/i,
        'The repository has moved, and git-token does not follow redirects. Set the new address on the server: git remote set-url origin https://…',
    ],
    [
        /certificate problem|certificate verif|SSL certificate|x509: /i,
        "The server does not trust the git server's certificate. Tell git which authority signed it: git config --global http.https://<git server>/.sslCAInfo <file>.",
    ],
    [
        /Permission denied \(/i,
        "The git server refused the server's ssh key. Add the server's public key to the repository, as a deploy key.",
    ],
    [
        /Host key verification failed/i,
        "The server does not know the git server's host key. Log in to the server and run `ssh -T git@<git server>` once. Compare the fingerprint with the one that the git server publishes.",
    ],
    [/dubious ownership/i, 'The checkout belongs to another user. Deploy as that user, or chown the checkout.'],
    [/No space left on device/i, "The server's disk is full. Free some space and run the job again."],
    [
        /index\.lock|\.lock': File exists/i,
        'Another git command runs in this repository, or one was killed. If none runs, remove the lock file named above.',
    ],
    [
        /mismatched algorithms/i,
        'The repository at path and the one to fetch from use different hashes (SHA-1 and SHA-256), and git cannot convert them. If a failed first deploy left the .git at path, remove that .git and run the job again. Otherwise set path to an empty directory.',
    ],
    [
        /not found|does not exist|does not appear to be a git repository|not a git repository/i,
        'Check that the repository exists and that the server may read it.',
    ],
    [
        /Connection (refused|timed out|reset)|unable to access/i,
        "The server cannot reach the git server. Check the server's firewall and internet connection.",
    ],
];
const REMEDY_FOR_SLOWNESS = "If git waited for the git server, check the server's internet connection. If it had much to do, set command-timeout to more.";
function gitFailure(result, what, options) {
    if (result.stopped === 'cancelled' && options.cancel)
        return options.cancel.reason;
    const output = result.tail.filter((line) => line.trim() !== '');
    const how = result.stopped === 'time limit'
        ? `was stopped after ${Math.round(options.timeLimit / 1000)} s (command-timeout)`
        : `ended with ${result.code === null ? `signal ${result.signal}` : `exit code ${result.code}`}`;
    const text = output.join('\n');
    const remedy = CAUSES.find(([pattern]) => pattern.test(text))?.[1] ??
        (result.stopped === 'time limit' ? REMEDY_FOR_SLOWNESS : undefined);
    return new DeployFailure(`${what}: git ${how}.`, { output, ...(remedy === undefined ? {} : { remedy }) });
}
/** Splits git's `-z` output. */
function splitZ(text) {
    return text.split('\0').filter((part) => part !== '');
}
/** What to say of an error that means that this host has no git; null for any other one. `why` follows the remedy. */
function gitMissing(error, why = '') {
    if (error.code !== 'ENOENT')
        return null;
    return new DeployFailure("The command 'git' is not on this host.", {
        remedy: `Install it, for example with 'apt-get install git'.${why}`,
    });
}

;// CONCATENATED MODULE: ./host/git/object-format.js
const FULL_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
/** Whether text is a full object id, of either format. */
function isFullId(text) {
    return FULL_ID.test(text);
}
/** The format that a full object id is of. */
function formatOf(id) {
    return id.length === 64 ? 'sha256' : 'sha1';
}
/** Makes an empty repository at git's directory. Git before 2.29 knows SHA-1 alone, and no option to say so. */
async function initRepository(git, format, { bare = false, what = 'Making a repository' } = {}) {
    const options = [...(bare ? ['--bare'] : []), ...(format === 'sha1' ? [] : [`--object-format=${format}`])];
    await git.text(['init', '--quiet', '--template=', ...options], what);
}
/** The format of a remote repository, by the ids that it lists. One without a branch counts as SHA-1. */
async function formatOfRemote(remote) {
    // HEAD may name a branch that does not exist; the whole list may be long.
    for (const names of [['HEAD'], []]) {
        const listing = await remote.text(['ls-remote', '--quiet'], names, 'Asking the repository');
        const [id = ''] = listing.split('\t');
        if (isFullId(id))
            return formatOf(id);
    }
    return 'sha1';
}

;// CONCATENATED MODULE: ./host/git/checkout.js








const headCheck = fields({ sha: orNull(checked_text), branch: orNull(checked_text) });
/**
 * What is at `path` before a deploy: nothing but what was `prepared` for the first one, or the top of a git checkout. Anything
 * else is refused.
 */
async function inspectCheckout(live, git, prepared = []) {
    if (!exists(live) || (0,external_node_fs_namespaceObject.readdirSync)(live).every((name) => prepared.includes(name)))
        return 'absent';
    if (!isCheckout(live)) {
        throw new DeployFailure(`${live} has files in it but is not a git checkout.`, {
            remedy: 'Set path to a directory that is empty or does not exist, or to the top of the checkout that the app runs from.',
        });
    }
    const top = (await git.text(['rev-parse', '--show-toplevel'], `Reading the checkout at ${live}`)).trim();
    if ((0,external_node_fs_namespaceObject.realpathSync)(top) !== (0,external_node_fs_namespaceObject.realpathSync)(live)) {
        throw new DeployFailure(`${live} lies inside the git checkout ${top}.`, {
            remedy: 'Set path to the top of the checkout, and working-directory to the rest.',
        });
    }
    return 'checkout';
}
/** Whether the directory is the top of a checkout, or of a worktree. */
function isCheckout(directory) {
    return exists((0,external_node_path_namespaceObject.join)(directory, '.git'));
}
/** Of the checkout that `git` works in; nothing if there is none yet. */
async function readHead(git) {
    if (!isCheckout(git.directory))
        return { sha: null, branch: null };
    const [commit, branch] = await Promise.all([
        git.attempt(['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']),
        git.attempt(['symbolic-ref', '--quiet', 'HEAD']),
    ]);
    return {
        sha: commit.code === 0 ? commit.stdout.trim() : null,
        branch: branch.code === 0 ? branch.stdout.trim() : null,
    };
}
/** Tracked files of `live` that differ from HEAD, except those that are as an earlier deploy's build left them. */
async function localChanges(live, git, { rewritten, deleted }) {
    const args = [
        'status',
        '--porcelain=v1',
        '-z',
        '--no-renames',
        '--untracked-files=no',
        '--ignore-submodules=all',
    ];
    const listing = splitZ(await git.text(args, `Looking for local changes in ${live}`));
    return listing
        .filter((entry) => !(deleted.includes(entry.slice(3)) && isReplaced(live, entry)))
        .map((entry) => entry.slice(3))
        .filter((path) => rewritten[path] === undefined || rewritten[path] !== checkout_contentOf((0,external_node_path_namespaceObject.join)(live, path)));
}
/** Whether a tracked file is gone, or a link is in its place: it may lead to what all versions share. */
function isReplaced(live, entry) {
    if (entry.startsWith(' D'))
        return true;
    const there = (0,external_node_fs_namespaceObject.lstatSync)((0,external_node_path_namespaceObject.join)(live, entry.slice(3)), { throwIfNoEntry: false });
    return /^ [TM]/.test(entry) && there?.isSymbolicLink() === true;
}
/** A lock of another git command, running or killed, would stop the bookkeeping after the swap. */
async function refuseGitLocks(git) {
    for (const file of await gitLocks(git)) {
        throw new DeployFailure(`${file} exists: another git command runs in the checkout, or one was killed.`, {
            remedy: `If no git runs on the server ('pgrep -a git'), remove the file: 'rm ${file}'.`,
        });
    }
}
/**
 * Removes the locks that git made in the checkout since `since` (milliseconds since 1970), and returns their paths. Call it
 * with the deploy's own lock held: a git of an earlier deploy that still ran would hold that lock.
 */
async function removeGitLocks(git, since) {
    const left = (await gitLocks(git)).filter((file) => (0,external_node_fs_namespaceObject.statSync)(file).mtimeMs >= since);
    for (const file of left)
        (0,external_node_fs_namespaceObject.rmSync)(file, { force: true });
    return left;
}
async function gitLocks(git) {
    const files = [];
    for (const name of ['index.lock', 'HEAD.lock']) {
        files.push(await gitPath(git, name));
    }
    return files.filter((file) => (0,external_node_fs_namespaceObject.existsSync)(file));
}
function refuseLocalChanges(live, changes) {
    if (changes.length === 0)
        return;
    const shown = changes.slice(0, 3).join(', ');
    const more = changes.length > 3 ? ` and ${changes.length - 3} more, listed above` : '';
    throw new DeployFailure(`Tracked files in ${live} have local changes: ${shown}${more}. Nothing was changed.`, {
        output: changes,
        remedy: `On the server, show the changes with 'git -C ${live} diff HEAD'. Commit and push them, or drop them with 'git checkout -- <file>'. Or set the input local-changes to 'save': the deploy then saves them as a patch on the server, and goes on. Do not track a file that the app itself changes.`,
    });
}
/** sha256 of a file's content, or null if there is no readable file. */
function checkout_contentOf(file) {
    try {
        return (0,external_node_crypto_namespaceObject.createHash)('sha256').update((0,external_node_fs_namespaceObject.readFileSync)(file)).digest('hex');
    }
    catch {
        return null;
    }
}
/** Every file of a commit, without those in submodules: its path to `<mode> <object>`. */
async function trackedFiles(git, sha) {
    const files = await listTree(git, sha);
    return new Map(files.filter(({ type }) => type === 'blob').map(({ path, mode, object }) => [path, `${mode} ${object}`]));
}
/** Paths of a commit's submodules that are checked out in `git`'s directory, nested ones included. */
async function submodulePaths(git, gitIn, sha) {
    if (!(0,external_node_fs_namespaceObject.existsSync)((0,external_node_path_namespaceObject.join)(git.directory, '.gitmodules')))
        return [];
    const found = [];
    for (const { path, type } of await listTree(git, sha)) {
        if (type !== 'commit' || !(0,external_node_fs_namespaceObject.existsSync)((0,external_node_path_namespaceObject.join)(git.directory, path, '.git')))
            continue;
        const within = await submodulePaths(gitIn((0,external_node_path_namespaceObject.join)(git.directory, path)), gitIn, 'HEAD');
        found.push(path, ...within.map((inner) => `${path}/${inner}`));
    }
    return found;
}
/** The files of a commit never change, and one deploy asks for those of two commits nine times. */
const trees = new WeakMap();
async function listTree(git, sha) {
    const known = trees.get(git) ?? new Map();
    trees.set(git, known);
    const tree = known.get(sha) ?? (await readTree(git, sha));
    // A name such as HEAD may mean another commit by the next time.
    if (isFullId(sha))
        known.set(sha, tree);
    return tree;
}
async function readTree(git, sha) {
    const listing = splitZ(await git.text(['ls-tree', '-r', '-z', '--full-tree', sha], `Reading the files of ${sha}`));
    return listing.map((entry) => {
        const tab = entry.indexOf('\t');
        const [mode = '', type = '', object = ''] = entry.slice(0, tab).split(' ');
        return { path: entry.slice(tab + 1), mode, type, object };
    });
}
/** Tracked paths that git was told to ignore (skip-worktree, assume-unchanged): `git status` does not show them. */
async function flaggedFiles(git) {
    const listing = splitZ(await git.text(['ls-files', '-v', '-z'], 'Reading the flags of tracked files'));
    return new Set(listing.filter((entry) => /^[a-zS]/.test(entry)).map((entry) => entry.slice(2)));
}
/** The given paths that the live checkout's ignore rules cover. */
async function ignoredPaths(git, paths) {
    if (paths.length === 0)
        return new Set();
    const result = await git.attempt(['check-ignore', '-z', '--stdin', '--no-index'], {
        input: `${paths.join('\0')}\0`,
    });
    return new Set(splitZ(result.stdout));
}
/**
 * Makes HEAD and the index name `sha`. No file is touched: the swap has done that. The old index goes to `keptIndex`.
 * What it has staged beyond HEAD stops this, unless `dropStaged`. HEAD ends detached, so no branch of the user's is moved.
 */
async function moveHead(git, from, sha, keptIndex, dropStaged = false) {
    const index = await gitPath(git, 'index');
    if ((0,external_node_fs_namespaceObject.existsSync)(index) && !(0,external_node_fs_namespaceObject.existsSync)(keptIndex))
        copyWhole(index, keptIndex);
    const what = `Setting HEAD to ${sha}`;
    const merge = dropStaged ? ['--reset', sha] : ['-m', '-i', String(from.sha), sha];
    await git.text(['read-tree', ...(from.sha === null ? [sha] : merge)], what);
    await git.text(['update-ref', '--no-deref', '-m', 'pm2-ssh-deploy: deploy', 'HEAD', sha], what);
    await git.attempt(['update-index', '-q', '--refresh']);
}
/** Undoes `moveHead`, whether it ran, ran in part, or did not run. */
async function restoreHead(git, to, keptIndex) {
    const index = await gitPath(git, 'index');
    if ((0,external_node_fs_namespaceObject.existsSync)(keptIndex)) {
        copyWhole(keptIndex, index);
    }
    else if (to.sha === null) {
        (0,external_node_fs_namespaceObject.rmSync)(index, { force: true });
    }
    const what = 'Restoring HEAD';
    const reason = ['-m', 'pm2-ssh-deploy: rollback'];
    if (to.branch !== null)
        await git.text(['symbolic-ref', ...reason, 'HEAD', to.branch], what);
    else if (to.sha !== null)
        await git.text(['update-ref', '--no-deref', ...reason, 'HEAD', to.sha], what);
    await git.attempt(['update-index', '-q', '--refresh']);
}
/** Never leaves half a copy: it would be taken for the whole later. */
function copyWhole(from, to) {
    (0,external_node_fs_namespaceObject.copyFileSync)(from, `${to}.pm2-ssh-deploy`);
    (0,external_node_fs_namespaceObject.renameSync)(`${to}.pm2-ssh-deploy`, to);
}
/** Where git has its files never changes, and one deploy asks for it a dozen times. */
const gitPaths = new WeakMap();
async function gitPath(git, name) {
    const known = gitPaths.get(git) ?? new Map();
    gitPaths.set(git, known);
    const said = known.get(name) ?? (await git.text(['rev-parse', '--git-path', name], `Finding git's ${name}`));
    known.set(name, said);
    return (0,external_node_path_namespaceObject.resolve)(git.directory, said.trim());
}

;// CONCATENATED MODULE: ./host/program/redact.js

/** Shorter values are too likely to be an ordinary word of a log. */
const SHORTEST = 8;
/** Forms of values that say where and how a process runs. A URL, and what holds a password in it, fits none of them. */
const PATHS = /^[/.~][^\s:]*(?::[/.~]?[^\s:]*)*$/;
const WORDS = /^[\w.,@+/ -]{0,80}$/;
const NAMES = /^[\w.:,@+/ -]{0,80}$/;
const ADDRESS = /^[\da-fA-F.:]+(?:%\w+)?(?: [\da-fA-F.:]+(?:%\w+)?){1,3}$/;
const AGENT = /^[\w.-]+\/[\w.-]+(?: [\w.-]+\/[\w.-]+| [\w-]+)*$/;
/**
 * Variables that every shell, npm or PM2 itself sets, by their exact names, each with the form that its value has then.
 * Any other variable is the app's own, and so is one of these names with another value.
 */
const HARMLESS = new Map([
    ...named(PATHS, 'PATH', 'HOME', 'PWD', 'OLDPWD', 'SHELL', 'TMPDIR', 'MAIL', '_', 'NODE_PATH', 'NVM_DIR', 'NVM_BIN', 'NVM_INC'),
    ...named(PATHS, 'SSH_TTY', 'SSH_AUTH_SOCK', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME'),
    ...named(PATHS, 'XDG_STATE_HOME', 'XDG_CONFIG_DIRS', 'XDG_DATA_DIRS', 'PM2_HOME', 'INIT_CWD', 'PM2_SSH_DEPLOY_CANARY'),
    ...named(PATHS, 'pm_cwd', 'pm_exec_path', 'pm_out_log_path', 'pm_err_log_path', 'pm_log_path', 'pm_pid_path'),
    ...named(PATHS, 'npm_execpath', 'npm_node_execpath', 'npm_package_json', 'npm_config_prefix', 'npm_config_cache'),
    ...named(PATHS, 'npm_config_local_prefix', 'npm_config_global_prefix', 'npm_config_userconfig', 'npm_config_globalconfig'),
    ...named(PATHS, 'npm_config_init_module', 'npm_config_node_gyp'),
    ...named(WORDS, 'USER', 'LOGNAME', 'LANG', 'LANGUAGE', 'TERM', 'TZ', 'HOSTNAME', 'EDITOR', 'NODE_ENV', 'NODE_APP_INSTANCE'),
    ...named(WORDS, 'LC_ALL', 'LC_CTYPE', 'LC_NUMERIC', 'LC_TIME', 'LC_COLLATE', 'LC_MONETARY', 'LC_MESSAGES', 'LC_PAPER'),
    ...named(WORDS, 'LC_NAME', 'LC_ADDRESS', 'LC_TELEPHONE', 'LC_MEASUREMENT', 'LC_IDENTIFICATION'),
    ...named(WORDS, 'XDG_SESSION_ID', 'XDG_SESSION_TYPE', 'XDG_SESSION_CLASS', 'XDG_SESSION_DESKTOP', 'XDG_CURRENT_DESKTOP'),
    ...named(WORDS, 'XDG_SEAT', 'XDG_VTNR', 'npm_command', 'npm_package_name', 'npm_package_version'),
    ...named(WORDS, 'npm_lifecycle_script', 'npm_config_npm_version', 'npm_config_noproxy'),
    ...named(WORDS, 'PM2_USAGE', 'PM2_INTERACTOR_PROCESSING', 'PM2_JSON_PROCESSING', 'PM2_PROGRAMMATIC', 'PM2_SILENT'),
    ...named(WORDS, 'PM2_DISCRETE_MODE', 'PM2_SSH_DEPLOY_ID', 'unique_id', 'status', 'exec_mode'),
    ...named(WORDS, 'exec_interpreter', 'km_link', 'vizion_running', 'pm_id', 'pm_uptime'),
    ...named(NAMES, 'npm_lifecycle_event', 'name', 'namespace'),
    ...named(ADDRESS, 'SSH_CLIENT', 'SSH_CONNECTION'),
    ...named(AGENT, 'npm_config_user_agent'),
]); // biome-ignore format: a list reads best packed
function named(form, ...names) {
    return names.map((name) => [name, form]);
}
/** What stands before the host of an address, whoever prints it. The `git` of an ssh address is in all documentation. */
const LOGIN = /\/\/(?!git@)[^\s/]*@/g;
/** Takes secret values out of text before it becomes an event. */
function createRedactor() {
    const secrets = new Set();
    // A text has few of them. By its beginnings that is found out at once, however many there are.
    const byBeginning = new Map();
    const mayBeIn = (text) => {
        const found = new Set();
        for (let at = 0; secrets.size > 0 && at + SHORTEST <= text.length; at += 1)
            for (const secret of byBeginning.get(text.slice(at, at + SHORTEST)) ?? [])
                found.add(secret);
        return [...found].sort((a, b) => b.length - a.length);
    };
    const add = (secret) => {
        if (secrets.has(secret))
            return;
        secrets.add(secret);
        const beginning = secret.slice(0, SHORTEST);
        byBeginning.set(beginning, [...(byBeginning.get(beginning) ?? []), secret]);
    };
    return {
        hide(values) {
            for (const value of values) {
                // A value of several lines is printed line by line.
                for (const part of [value, ...value.split(/\r\n|\r|\n/)]) {
                    const trimmed = part.trim();
                    if (trimmed.length >= SHORTEST)
                        for (const form of redact_formsOf(trimmed))
                            add(form);
                }
            }
        },
        redact(text) {
            const whole = mayBeIn(text).reduce((rest, secret) => rest.split(secret).join('***'), text);
            const known = text.length < LONGEST_LINE ? whole : withoutBegun(whole, [...secrets]);
            return known.replace(LOGIN, '//***@');
        },
    };
}
/** A secret as it is, and as JSON, an inspected object, a URL, a form or a header shows it. */
function redact_formsOf(secret) {
    const json = JSON.stringify(secret).slice(1, -1);
    const bytes = Buffer.from(secret);
    const base64 = bytes.toString('base64');
    const url = encoded(secret);
    return [
        ...[secret, json, JSON.stringify(json).slice(1, -1), secret.replace(/['\\]/g, '\\$&')],
        ...[
            url,
            url.replace(/%../g, (code) => code.toLowerCase()),
            new URLSearchParams({ '': secret }).toString().slice(1),
        ],
        ...[base64, base64.replace(/=+$/, ''), bytes.toString('base64url')],
    ].filter((form) => form.length >= SHORTEST);
}
/** As `encodeURIComponent`, which throws for half a character. */
function encoded(secret) {
    const codes = (sign) => Buffer.from(sign).toString('hex').replace(/../g, '%$&').toUpperCase();
    return secret.replace(/[^\w.!~*'()-]+/g, codes);
}
/** A line that was cut may end in the first part of a secret. */
function withoutBegun(text, secrets) {
    const begun = secrets.map((secret) => {
        let length = Math.min(secret.length - 1, text.length);
        while (length > 0 && !text.endsWith(secret.slice(0, length)))
            length -= 1;
        return length;
    });
    const longest = Math.max(0, ...begun);
    return longest === 0 ? text : `${text.slice(0, -longest)}***`;
}
/** The values of an environment that may be secret. */
function secretsOfEnvironment(env) {
    return Object.keys(env)
        .filter((name) => typeof env[name] === 'string' && HARMLESS.get(name)?.test(env[name]) !== true)
        .map((name) => env[name] ?? '');
}
/** `NAME=`, exported or not. A byte order mark is a space, for dotenv too. */
const NAME = /^[^\S\r\n]*(?:export[^\S\r\n]+)?[\w.-]+[^\S\r\n]*[=:][^\S\r\n]*/.source;
const QUOTED = new RegExp(`${NAME}(?:"((?:\\\\.|[^"\\\\])*)"|'([^']*)'|\`([^\`]*)\`)`, 'gm');
const ON_ONE_LINE = new RegExp(`${NAME}([^\\r\\n]*)`, 'gm');
/** The values of a `.env` file, in the forms that dotenv and its like take: they differ in what ends a value. */
function secretsOfEnvFile(text) {
    const quoted = [...text.matchAll(QUOTED)].map(([, double, single, back]) => double ?? single ?? back ?? '');
    const lines = [...text.matchAll(ON_ONE_LINE)].flatMap(([, value = '']) => [
        value,
        value.replace(/\s+#.*$/, ''),
        value.replace(/#.*$/, ''),
        value.replace(/^(['"`])(.*)\1.*$/, '$2'),
    ]);
    return [...quoted, ...lines].flatMap((value) => {
        const broken = value.replace(/\\n/g, '\n');
        return [value, broken, broken.replace(/\\(.)/g, '$1')];
    });
}
/** The secrets of an app's `env` and of every `env_<name>`. */
function secretsOfApp(app) {
    const found = Object.entries(app).filter(([key]) => key === 'env' || key.startsWith('env_'));
    return found.flatMap(([, env]) => secretsOfEnvironment(Object.fromEntries(Object.entries(env ?? {}).map(([name, value]) => [name, String(value)]))));
}
/** The query of a URL, and each value in it that is not a plain word. */
function secretsOfUrl(url) {
    const [, query = ''] = /^[^?#]*\?([^#]*)/.exec(url) ?? [];
    const values = query.split('&').map((pair) => pair.slice(pair.indexOf('=') + 1));
    const decoded = [...new URLSearchParams(query)].map(([name, value]) => value || name);
    return [query, ...[...values, ...decoded].filter((value) => !/^[a-z]*$/i.test(value))];
}

;// CONCATENATED MODULE: ./host/system/versioned.js



/** Returns once it is on disk. */
function writeVersioned(file, format, value) {
    writeDurably(file, JSON.stringify({ version: format.readers.length, ...value }));
}
/** Null if there is no such file. Throws a `DeployFailure` if it cannot be understood, and leaves it as it is. */
function readVersioned(file, format) {
    const json = readIfThere(file);
    return json === null ? null : parseVersioned(json, file, format);
}
/** The same for a file that can be done without: null also if it cannot be understood. */
function readIfUsable(file, format) {
    try {
        return readVersioned(file, format);
    }
    catch (error) {
        if (error instanceof DeployFailure)
            return null;
        throw error;
    }
}
/** `from` names the text in an error. The text itself may hold secrets, and no error quotes it. */
function parseVersioned(json, from, { what, readers }) {
    let value;
    try {
        value = object(JSON.parse(json), '');
    }
    catch {
        throw damaged(what, from, 'it holds no JSON object');
    }
    const version = value.version ?? 1;
    const reader = typeof version === 'number' ? readers[version - 1] : undefined;
    if (reader === undefined)
        throw unknownFormat(what, from, version, readers.length);
    try {
        return reader(value, '');
    }
    catch (error) {
        if (error instanceof Misshapen)
            throw damaged(what, from, error.message);
        throw error;
    }
}
function damaged(what, from, why) {
    return new DeployFailure(`${what}, ${from}, is damaged: ${why}.`, {
        remedy: 'Restore it from a backup. Without one, make sure that the app runs as it should, move its directory away, and run the job again.',
    });
}
function unknownFormat(what, from, version, newest) {
    return new DeployFailure(`${what}, ${from}, has format ${JSON.stringify(version)}. This version of the action reads formats 1 to ${newest}.`, {
        remedy: 'A newer version of the action wrote it. Deploy with that version, or a newer one.',
    });
}

;// CONCATENATED MODULE: ./host/swap/record.js



/** Records of what builds made lie in the app's state directory under such names. */
const RECORD_PREFIX = 'built-';
const AGAIN = '.again-';
/** Puts the record of one deploy's build on disk and returns its name. */
function saveRecord(state, deployId, generated) {
    const name = `${RECORD_PREFIX}${deployId}.json`;
    writeVersioned((0,external_node_path_namespaceObject.join)(state, name), FORMAT, generated);
    return name;
}
/** The same for a build that comes back with assets of others: what `record` lists, and these. */
function saveRecordAgain(state, deployId, generated, record) {
    const name = buildOf(record).replace(/\.json$/, `${AGAIN}${deployId}.json`);
    writeVersioned((0,external_node_path_namespaceObject.join)(state, name), FORMAT, generated);
    return name;
}
/** The record's own build: the same for all records of one build. Ids of deploys have no full stop. */
function buildOf(record) {
    const at = record.indexOf(AGAIN);
    return at < 0 ? record : `${record.slice(0, at)}.json`;
}
/** Null if no deploy of ours made what is there. */
function loadRecord(state, name) {
    return name === null ? null : readVersioned((0,external_node_path_namespaceObject.join)(state, name), FORMAT);
}
/** A list of fixed length, as a `[path, names]` is. */
function tuple(value, at, length) {
    if (!Array.isArray(value) || value.length !== length)
        throw new Misshapen(at, `a list of ${length}`);
    return value;
}
const directory = (value, at) => {
    const [path, names] = tuple(value, at, 2);
    return [checked_text(path, at), listOf(checked_text)(names, at)];
};
const single = (value, at) => {
    const [path, size, mtimeNs, content] = tuple(value, at, 4);
    return [checked_text(path, at), number(size, at), checked_text(mtimeNs, at), orNull(checked_text)(content, at)];
};
/** What formats 1 and 2 have alike. */
const common = {
    roots: listOf(checked_text),
    directories: listOf(directory),
    singles: listOf(single),
    rewritten: mapOf(checked_text),
    deleted: listOf(checked_text),
};
/** As 0.1 wrote it: nothing was kept of earlier versions. */
const format1 = (value, at) => ({ ...fields(common)(value, at), assets: [] });
const format2 = fields({
    ...common,
    assets: listOf(fields({ sha: checked_text, replacedAt: number, paths: listOf(checked_text) })),
});
const FORMAT = {
    what: 'The record of what a build made',
    readers: [format1, format2],
};

;// CONCATENATED MODULE: ./host/swap/own-names.js
/** Where apps keep what they write, even inside their own build output. */
const APPS_OWN = /^(uploads?|storage|media|data|db|backups?|logs?|sessions|databases?|\.env.*)$/i;
/** Whether a file or directory is named like one that an app writes to. */
function isNamedLikeOwn(name) {
    return APPS_OWN.test(name);
}
/** Where Next.js writes the pages that it renders while it runs, beside those of the build. */
const RENDERED_PAGES = /(^|\/)\.next\/server$/;
/**
 * Whether all that the app writes in a directory of its build goes with the version that wrote it. A page of another version
 * asks for files that are gone, and the framework's own build empties such a directory as well.
 */
function isOfOneVersion(directory) {
    return RENDERED_PAGES.test(directory);
}

;// CONCATENATED MODULE: ./host/swap/tree.js



/** A larger file is known by its size and time alone. */
const HASHED_UP_TO = 8 * 1024 * 1024;
const IN_NODE_MODULES = /(^|\/)node_modules\//;
const NAMED_LIKE_A_DATABASE = /\.(db|db3|s3db|sqlite|sqlite3|sqlitedb)$/i;
/** Whether a path lies below a directory named node_modules. */
function inNodeModules(path) {
    return IN_NODE_MODULES.test(path);
}
/**
 * Looks at a finished build: `tracked` is the commit that was checked out in `staging` before it, and `assets` was put there
 * after it. Whatever is linked into `staging` later is no part of it. Throws what the file system throws.
 */
function recordGenerated(staging, tracked, assets = []) {
    const roots = [];
    const directories = [];
    const singles = [];
    const rewritten = [];
    const known = parentsOf(tracked.keys());
    const seen = new Set();
    const walk = (directory) => {
        const prefix = directory === '' ? '' : `${directory}/`;
        const hasTracked = known.has(directory);
        const names = [];
        const below = [];
        for (const entry of (0,external_node_fs_namespaceObject.readdirSync)(directory === '' ? staging : `${staging}/${directory}`, {
            withFileTypes: true,
        })) {
            if (entry.name === '.git')
                continue;
            const path = prefix + entry.name;
            const fingerprint = tracked.get(path);
            const isTracked = entry.isDirectory() ? known.has(path) : fingerprint !== undefined;
            if (hasTracked && !isTracked)
                roots.push(path);
            if (entry.isDirectory())
                below.push(path);
            else if (fingerprint !== undefined) {
                seen.add(path);
                const content = changedContent(`${staging}/${path}`, fingerprint);
                if (content !== null)
                    rewritten.push([path, content]);
            }
            else {
                const watched = hasTracked || mayBeWritten(path, entry.name);
                if (!hasTracked)
                    names.push(entry.name);
                if (watched)
                    singles.push(tree_single(staging, path));
            }
        }
        if (!hasTracked)
            directories.push([directory, names]);
        for (const path of below)
            walk(path);
    };
    walk('');
    const deleted = [...tracked.keys()].filter((path) => !seen.has(path));
    return { roots, directories, singles, rewritten: Object.fromEntries(rewritten), deleted, assets };
}
/** The record without these paths of single files: the app had the same files there, and they stay its own. */
function disown(generated, paths) {
    const own = new Set(paths);
    const isBuilt = (path) => !own.has(path);
    return {
        ...generated,
        roots: generated.roots.filter(isBuilt),
        directories: generated.directories.map(([path, names]) => [
            path,
            names.filter((name) => isBuilt(`${path}/${name}`)),
        ]),
        singles: generated.singles.filter(([path]) => isBuilt(path)),
    };
}
/** The record without these paths and all in them: the version has them no more. `tracked` are the commit's files. */
function withoutPaths(generated, tracked, paths) {
    const stays = (path) => !paths.some((one) => path === one || path.startsWith(`${one}/`));
    const gone = [...tracked].filter((path) => !stays(path));
    return {
        ...generated,
        roots: generated.roots.filter(stays),
        directories: generated.directories
            .filter(([path]) => stays(path))
            .map(([path, names]) => [path, names.filter((name) => stays(path === '' ? name : `${path}/${name}`))]),
        singles: generated.singles.filter(([path]) => stays(path)),
        rewritten: Object.fromEntries(Object.entries(generated.rewritten).filter(([path]) => stays(path))),
        deleted: [...new Set([...generated.deleted, ...gone])],
    };
}
function mayBeWritten(path, name) {
    if (inNodeModules(path))
        return NAMED_LIKE_A_DATABASE.test(name);
    return path.split('/').some(isNamedLikeOwn);
}
/** Every directory that holds one of the paths, at any depth; `''` is the top and always one. */
function parentsOf(paths) {
    const parents = new Set(['']);
    for (const path of paths) {
        for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) {
            const parent = path.slice(0, cut);
            if (parents.has(parent))
                break;
            parents.add(parent);
        }
    }
    return parents;
}
/** Identifies what a file or link holds, and whether it can be executed; null if that cannot be told cheaply. */
function tree_contentOf(file, stat) {
    if (stat.isSymbolicLink())
        return `link ${(0,external_node_fs_namespaceObject.readlinkSync)(file)}`;
    if (!stat.isFile() || stat.size > HASHED_UP_TO)
        return null;
    return `${sha256((0,external_node_fs_namespaceObject.readFileSync)(file))}${stat.mode & 64n ? ' executable' : ''}`;
}
function tree_single(staging, path) {
    const stat = (0,external_node_fs_namespaceObject.lstatSync)(`${staging}/${path}`, { bigint: true });
    return [path, Number(stat.size), String(stat.mtimeNs), tree_contentOf(`${staging}/${path}`, stat)];
}
/** The sha256 of a tracked file that is no longer what git checked out, else null. */
function changedContent(file, fingerprint) {
    const [mode, object = ''] = fingerprint.split(' ');
    const stat = (0,external_node_fs_namespaceObject.lstatSync)(file);
    const content = stat.isSymbolicLink()
        ? (0,external_node_fs_namespaceObject.readlinkSync)(file, 'buffer')
        : stat.isFile()
            ? (0,external_node_fs_namespaceObject.readFileSync)(file)
            : null;
    // A pipe or socket in a tracked file's place: no content will ever be equal to this.
    if (content === null)
        return 'not a file';
    const found = stat.isSymbolicLink() ? '120000' : stat.mode & 0o100 ? '100755' : '100644';
    const hash = (0,external_node_crypto_namespaceObject.createHash)(object.length === 64 ? 'sha256' : 'sha1').update(`blob ${content.length}\0`);
    return found === mode && hash.update(content).digest('hex') === object ? null : sha256(content);
}
function sha256(content) {
    return (0,external_node_crypto_namespaceObject.createHash)('sha256').update(content).digest('hex');
}

;// CONCATENATED MODULE: ./host/system/escaped.js
/** The source of a regular expression that matches this text and nothing else. */
function escaped(text) {
    return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

;// CONCATENATED MODULE: ./host/pm2/fields.js
/** Settings that come through unchanged when a list is turned into a config again. */
const SETTINGS = [
    'autorestart',
    'autostart',
    'automation',
    'cron_restart',
    'deep_monitoring',
    'disable_logs',
    'disable_source_map_support',
    'event_loop_inspector',
    'exp_backoff_restart_delay',
    'gid',
    'ignore_watch',
    'increment_var',
    'instance_var',
    'kill_retry_time',
    'kill_timeout',
    'listen_timeout',
    'log_date_format',
    'log_type',
    'max_memory_restart',
    'max_restarts',
    'merge_logs',
    'min_uptime',
    'namespace',
    'pmx',
    'port',
    'restart_delay',
    'shutdown_with_message',
    'source_map_support',
    'stop_exit_codes',
    'time',
    'trace',
    'treekill',
    'uid',
    'v8',
    'vizion',
    'wait_ready',
    'watch',
    'watch_delay',
    'watch_options',
    'windowsHide',
];
/** What PM2 keeps beside the app's variables, in the same object and in the same one scalar form. */
const PM2_FIELDS = new Set([
    ...SETTINGS,
    '_pm2_version',
    'append_env_to_name',
    'args',
    'created_at',
    'cwd',
    'disable_trace',
    'error_file',
    'exec_interpreter',
    'exec_mode',
    'execute_command',
    'exit_code',
    'filter_env',
    'force',
    'install_url',
    'instances',
    'km_link',
    'log_file',
    'name',
    'name_prefix',
    'node_args',
    'node_version',
    'out_file',
    'pid_file',
    'pm_cwd',
    'pm_err_log_path',
    'pm_exec_path',
    'pm_id',
    'pm_log_path',
    'pm_out_log_path',
    'pm_pid_path',
    'pm_uptime',
    'pmx_module',
    'prev_restart_delay',
    'restart_time',
    'script',
    'status',
    'unstable_restarts',
    'username',
    'version',
    'vizion_running',
    'write',
]);
/** Variables that PM2 puts among the app's own. */
const ADDED_VARIABLES = new Set([
    'PM2_DISCRETE_MODE',
    'PM2_HOME',
    'PM2_INTERACTOR_PROCESSING',
    'PM2_JSON_PROCESSING',
    'PM2_PROGRAMMATIC',
    'PM2_SILENT',
    'PM2_USAGE',
    'unique_id',
]);

;// CONCATENATED MODULE: ./host/pm2/preload-args.js

const preloadCheck = fields({
    by: oneOf(['node_args', 'NODE_OPTIONS']),
    argument: checked_text,
});
/** The directory in PM2_HOME that holds the preload, by which our argument is known whatever its version. */
const PRELOAD_DIRECTORY = 'pm2-ssh-deploy';
const OURS = new RegExp(`^--import=data:text/javascript,\\S*/${PRELOAD_DIRECTORY}/handover-`);
/**
 * The argument that loads `file`, absolute, and calls what it exports with `options`. Whatever fails, a file that is gone
 * above all, leaves the app to start without it. For Node 18.18 and later.
 */
function preloadArgument(file, options) {
    const path = file.replace(/[\\']/g, '\\$&').split('/').map(encodeURIComponent).join('/');
    const given = Object.entries(options).map(([name, value]) => `${name}:${value}`);
    return `--import=data:text/javascript,import{createRequire}from'node:module';try{createRequire('/')('${path}')({${given.join()}})}catch{}`;
}
/** Our preload among what Node is started with; null where there is none. */
function preloadAmong(nodeArgs, nodeOptions) {
    const inArgs = nodeArgs.find((argument) => OURS.test(argument));
    if (inArgs !== undefined)
        return { by: 'node_args', argument: inArgs };
    const inOptions = (nodeOptions ?? '').split(' ').find((argument) => OURS.test(argument));
    return inOptions === undefined ? null : { by: 'NODE_OPTIONS', argument: inOptions };
}
/** Node's arguments as the user gave them. */
function ownArgs(nodeArgs) {
    return nodeArgs.filter((argument) => !OURS.test(argument));
}
/** NODE_OPTIONS as the user gave it; undefined where that was nothing. */
function ownOptions(nodeOptions) {
    const own = (nodeOptions ?? '').split(' ').filter((argument) => !OURS.test(argument));
    return own.join(' ') === '' ? undefined : own.join(' ');
}

;// CONCATENATED MODULE: ./host/pm2/list.js




/** The variable that carries the id of the deploy that an instance runs. */
const DEPLOY_ID = 'PM2_SSH_DEPLOY_ID';
/** What PM2 runs now, asked of its daemon. `timeLimit` is in milliseconds. */
async function listInstances(rpc, timeLimit) {
    return parseList(await rpc.call('getMonitorData', [{}], timeLimit));
}
/** Reads the parsed JSON of `pm2 jlist`, or the daemon's own answer, of any PM2. Throws a `DeployFailure` on anything else. */
function parseList(list) {
    if (!Array.isArray(list))
        throw new DeployFailure('PM2 did not answer with a list of processes.');
    return list.filter(isRecord).map((entry) => instanceOf(entry));
}
function instanceOf(entry) {
    const pm2 = isRecord(entry.pm2_env) ? entry.pm2_env : {};
    const env = isRecord(pm2.env) ? pm2.env : {};
    const variables = variablesOf(pm2, env, list_text(entry.name) ?? '');
    const nodeArgs = words(pm2.node_args);
    const settings = {};
    for (const key of SETTINGS) {
        const value = pm2[key];
        if (value !== undefined && value !== null)
            settings[key] = value;
    }
    return {
        pmId: list_number(entry.pm_id) ?? list_number(pm2.pm_id) ?? -1,
        name: list_text(entry.name) ?? list_text(pm2.name) ?? '',
        instanceNumber: list_number(pm2[instanceVariable(pm2)]),
        namespace: list_text(pm2.namespace) ?? 'default',
        pid: list_number(entry.pid) ?? 0,
        status: list_text(pm2.status) ?? 'unknown',
        restartTime: list_number(pm2.restart_time) ?? 0,
        unstableRestarts: list_number(pm2.unstable_restarts) ?? 0,
        exitCode: list_number(pm2.exit_code),
        createdAt: list_number(pm2.created_at) ?? 0,
        pmUptime: list_number(pm2.pm_uptime) ?? 0,
        cwd: list_text(pm2.pm_cwd) ?? '',
        script: list_text(pm2.pm_exec_path) ?? '',
        args: words(pm2.args),
        nodeArgs: ownArgs(nodeArgs),
        preload: preloadAmong(nodeArgs, variables.NODE_OPTIONS),
        interpreter: list_text(pm2.exec_interpreter) ?? 'node',
        execMode: list_text(pm2.exec_mode)?.startsWith('cluster') ? 'cluster' : 'fork',
        env: withoutPreload(variables),
        instances: (pm2.instances ?? null),
        waitReady: pm2.wait_ready === true,
        listenTimeout: list_number(pm2.listen_timeout),
        killTimeout: list_number(pm2.kill_timeout),
        autorestart: pm2.autorestart !== false && pm2.autorestart !== 'false',
        watch: (pm2.watch ?? false),
        errLogPath: list_text(pm2.pm_err_log_path),
        outLogPath: list_text(pm2.pm_out_log_path),
        logPath: list_text(pm2.pm_log_path),
        pidPath: list_text(pm2.pm_pid_path),
        version: list_text(pm2.version) === 'N/A' ? null : list_text(pm2.version),
        // In `env` it stands as soon as PM2 is asked to restart the app, while the old process is still to be stopped.
        deployId: list_text(pm2[DEPLOY_ID]),
        module: pm2.pmx_module === true,
        settings,
    };
}
/**
 * The app's variables. PM2 spreads them over its own fields, and that is what a process gets; after a reload `env`
 * has those of the ecosystem file alone, while the shell's of the first start live on only there.
 */
function variablesOf(pm2, env, name) {
    // The instance's number, and PM2's module settings under the app's own name, are PM2's too.
    const numbers = instanceVariable(pm2);
    const added = (key, value) => ADDED_VARIABLES.has(key) || key === DEPLOY_ID || key === numbers || (key === name && value === '{}');
    const variables = {};
    for (const [key, value] of Object.entries(pm2)) {
        if (isScalar(value) && !PM2_FIELDS.has(key) && !added(key, value))
            variables[key] = String(value);
    }
    for (const [key, value] of Object.entries(env)) {
        if (isScalar(value) && !added(key, value))
            variables[key] = String(value);
    }
    return variables;
}
function withoutPreload({ NODE_OPTIONS, ...variables }) {
    const own = ownOptions(NODE_OPTIONS);
    return own === undefined ? variables : { ...variables, NODE_OPTIONS: own };
}
function instanceVariable(pm2) {
    return list_text(pm2.instance_var) ?? 'NODE_APP_INSTANCE';
}
function isRecord(value) {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}
function isScalar(value) {
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
function list_text(value) {
    return typeof value === 'string' ? value : null;
}
/** PM2 keeps numbers that were given as text as text. */
function list_number(value) {
    const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return typeof parsed === 'number' && Number.isFinite(parsed) ? parsed : null;
}
function words(value) {
    if (Array.isArray(value))
        return value.filter(isScalar).map(String);
    return typeof value === 'string' && value !== '' ? [value] : [];
}
/** What PM2 runs from the app's directory; its modules run from elsewhere. */
function instancesIn(live, all) {
    return all.filter(({ module, cwd }) => !module && isWithin(live, realOrSame(cwd)));
}

;// CONCATENATED MODULE: ./host/pm2/app-config.js






/** What was written as JSON is JSON again: only what we rely on is looked at. */
const deployApp = (value, at) => {
    const known = fields({ name: checked_text, cwd: checked_text, env: object })(value, at);
    return { ...object(value, at), ...known };
};
/**
 * The apps of these names, or all where there are none, in the order of the file and each with the name that PM2
 * gives it. Throws a `DeployFailure` where one is not there, twice there, or lacks what PM2 needs.
 */
function chooseApps(apps, names) {
    const named = apps.map((app) => ({ ...app, name: nameOf(app) }));
    const present = named.map((app) => app.name);
    const unknown = names.filter((name) => !present.includes(name));
    if (unknown.length > 0) {
        throw new DeployFailure(`The ecosystem file has no app ${list(unknown)}; it has ${present.length > 0 ? list(present) : 'none at all'}.`, {
            remedy: 'Names have to match exactly, with capitals and blanks. Correct `app`, or leave it out to take all apps.',
        });
    }
    const chosen = named.filter((app) => names.length === 0 || names.includes(app.name));
    if (chosen.length === 0)
        throw new DeployFailure('The ecosystem file has no app.');
    for (const app of chosen) {
        if (present.filter((name) => name === app.name).length > 1) {
            throw new DeployFailure(`The ecosystem file has more than one app ${list([app.name])}.`, {
                remedy: 'PM2 would give all of them the settings of the last one. Give each app its own name.',
            });
        }
        if (scriptOf(app) === null)
            throw new DeployFailure(`The app ${list([app.name])} has no \`script\`.`);
        // PM2 takes these for every process that it has, or for a pattern.
        if (app.name === 'all' || /^\/.*\/$/.test(app.name)) {
            throw new DeployFailure(`An app cannot be named ${list([app.name])}: that name means something else to PM2.`);
        }
    }
    return chosen;
}
/** What PM2 starts, under any of the names that it takes; null where there is nothing. */
function scriptOf(app) {
    for (const key of ['script', 'exec', 'cmd', 'command']) {
        const value = app[key];
        if (typeof value === 'string' && value !== '')
            return value;
    }
    return null;
}
/** The file that PM2 starts, absolute; null for a bare word, which is looked up on PATH, and for a command line. */
function scriptFile(app) {
    const script = scriptOf(app) ?? '';
    return /^[^\s]*[/.][^\s]*$/.test(script) ? (0,external_node_path_namespaceObject.resolve)(app.cwd, script) : null;
}
function nameOf(app) {
    if (typeof app.name === 'string' && app.name !== '')
        return app.name;
    const script = scriptOf(app);
    if (app.name !== undefined && app.name !== null && app.name !== '') {
        throw new DeployFailure(`An app of the ecosystem file has a \`name\` that is not text: ${JSON.stringify(app.name)}.`);
    }
    if (script === null)
        throw new DeployFailure('An app of the ecosystem file has neither `name` nor `script`.');
    const file = (0,external_node_path_namespaceObject.basename)(script);
    const dot = file.lastIndexOf('.');
    return dot > 0 ? file.slice(0, dot) : file;
}
/**
 * The chosen apps as PM2 is to be given them, as JSON, for a `startOrReload` with the same `--env` from any directory:
 * they come out as with the user's own file in `workDir`, and carry the deploy's id.
 * Throws a `DeployFailure` where no app knows the `pm2Env`, which PM2 would pass over.
 */
function deployConfig(apps, options) {
    const { workDir, deployId, pm2Env } = options;
    if (pm2Env !== null && !apps.some((app) => `env_${pm2Env}` in app)) {
        const known = new Set(apps.flatMap((app) => Object.keys(app).filter((key) => key.startsWith('env_'))));
        const names = [...known].map((key) => key.slice('env_'.length));
        throw new DeployFailure(`No chosen app has an \`env_${pm2Env}\` in the ecosystem file: ${names.length > 0 ? `there is ${list(names)}` : 'there is no `env_…` at all'}.`, { remedy: 'Correct `pm2-env`, or leave it out to use `env` alone.' });
    }
    return apps.map((app) => {
        const { append_env_to_name: appended, ...rest } = app;
        const named = { ...rest, name: nameOf(app) };
        const result = {
            ...named,
            name: appended === true && pm2Env !== null ? `${named.name}-${pm2Env}` : named.name,
            cwd: typeof app.cwd === 'string' && app.cwd !== '' ? (0,external_node_path_namespaceObject.resolve)(workDir, app.cwd) : workDir,
            env: { ...(app_config_isRecord(app.env) ? app.env : {}), [DEPLOY_ID]: deployId },
        };
        for (const key of ['interpreter', 'exec_interpreter', 'execInterpreter']) {
            const value = app[key];
            // PM2 looks for it from where it is called.
            if (typeof value === 'string' && value.includes('/') && !(0,external_node_path_namespaceObject.isAbsolute)(value)) {
                result[key] = (0,external_node_path_namespaceObject.resolve)(workDir, value);
            }
        }
        return result;
    });
}
/**
 * The same apps with `to` wherever a text names one of the directories `from`, or something in it. For a file that was
 * evaluated in another directory than the one that it will run in: `__dirname` and `process.cwd()` put it there.
 */
function moveApps(apps, from, to) {
    const patterns = from.map((path) => new RegExp(`${escaped(path)}(?![\\w.-])`, 'g'));
    const move = (value) => {
        if (typeof value === 'string')
            return patterns.reduce((text, pattern) => text.replace(pattern, () => to), value);
        if (Array.isArray(value))
            return value.map(move);
        if (value === null || typeof value !== 'object')
            return value;
        return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, move(inner)]));
    };
    return apps.map((app) => move(app));
}
/** How many instances PM2 starts for an app, and in which mode. `processors` are the host's, as the daemon counts them. */
function expectedInstances(app, processors = (0,external_node_os_namespaceObject.cpus)().length) {
    const asked = askedFor(app.instances);
    const count = asked === 0 ? processors : asked < 0 ? asked + processors : asked;
    return { count: Math.max(1, Math.trunc(count)), mode: modeOf(app) };
}
/** PM2's reading: text that is no number counts as `max`, which is 0. */
function askedFor(instances) {
    if (typeof instances === 'number')
        return instances;
    if (typeof instances === 'string')
        return Number.parseInt(instances, 10) || 0;
    return 1;
}
function modeOf(app) {
    if (app.execute_command === true)
        return 'fork';
    const mode = app.exec_mode ?? app.execMode;
    if (typeof mode === 'string' && mode !== '')
        return mode.startsWith('cluster') ? 'cluster' : 'fork';
    if (app.instances === undefined || app.instances === null)
        return 'fork';
    const asked = askedFor(app.instances);
    return (asked >= 1 || asked === 0 || asked === -1) && isNodeToPm2(app) ? 'cluster' : 'fork';
}
/** Whether PM2 takes the app for one of Node's: only these run in cluster mode of their own accord. */
function isNodeToPm2(app) {
    const interpreter = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
    if (typeof interpreter === 'string' && interpreter !== '')
        return /(node|bun)(@.*)?$/.test(interpreter);
    const script = scriptOf(app) ?? '';
    if (script.includes(' '))
        return false;
    const suffix = (0,external_node_path_namespaceObject.extname)(script);
    // A file without one may be Node's or a binary: PM2 looks inside. npm and npx are what it mostly is.
    return /^\.([cm]?js|[cm]?ts|tsx|jsx)$/.test(suffix) || /^(npm|npx|yarn|pnpm)$/.test((0,external_node_path_namespaceObject.basename)(script));
}
function app_config_isRecord(value) {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}
function list(names) {
    return names.map((name) => JSON.stringify(name)).join(', ');
}

;// CONCATENATED MODULE: ./host/build/ecosystem-reader.js
/**
 * The program of the child process that evaluates an ecosystem file: a text, since it runs by `node -e` and must reach
 * the host unchanged by any bundler. Arguments: the file, how to read it (`code`, `json`, `yaml`), PM2's directory, a mark.
 * It prints the mark, the config (or what went wrong) as one line of JSON, and the mark again; all else is noise.
 */
const ECOSYSTEM_READER = `
'use strict';
const [file, form, pm2Root, mark] = process.argv.slice(1);
const { createRequire } = require('module');
const { pathToFileURL } = require('url');
const { spawnSync } = require('child_process');
const fs = require('fs');
const vm = require('vm');
// 'node -e' makes these global, where an ES module would find them.
for (const name of ['module', 'exports', 'require', '__filename', '__dirname']) delete globalThis[name];

async function evaluate() {
  if (form === 'json') return vm.runInThisContext('(' + fs.readFileSync(file, 'utf8') + '\\n)', { filename: file });
  if (form === 'yaml') {
    const yaml = createRequire(pm2Root + '/package.json')('js-yaml');
    return yaml.load(fs.readFileSync(file, 'utf8'), { filename: file });
  }
  let loaded;
  try {
    loaded = createRequire(file)(file);
  } catch (error) {
    if (!error || !['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE'].includes(error.code)) throw error;
    loaded = await import(pathToFileURL(file).href);
  }
  const own = loaded && typeof loaded === 'object' ? loaded : {};
  return own.apps === undefined && own.pm2 === undefined && own.default !== undefined ? await own.default : loaded;
}

function lineOf(error) {
  if (error && error.mark && typeof error.mark.line === 'number') return error.mark.line + 1;
  const line = lineIn(String((error && error.stack) || ''));
  if (line !== null || form !== 'code' || !(error instanceof SyntaxError)) return line;
  // An ES module's is known to Node's own report only.
  return lineIn(String(spawnSync(process.execPath, ['--check', file], { timeout: 5000 }).stderr));
}

function lineIn(text) {
  for (const name of [pathToFileURL(file).href, file]) {
    const at = text.indexOf(name + ':');
    const line = at < 0 ? NaN : parseInt(text.slice(at + name.length + 1), 10);
    if (line > 0) return line;
  }
  return null;
}

function answer(value) {
  const line = JSON.stringify(value);
  process.stdout.write('\\n' + mark + line + mark + '\\n', () => process.exit(0));
}

evaluate()
  .then((value) => {
    if (typeof value === 'function') throw new TypeError('it exports a function, but PM2 takes an object with apps');
    answer({ value });
  })
  .catch((error) => {
    const message = error && error.message ? (error.name || 'Error') + ': ' + (error.reason || error.message) : String(error);
    answer({ error: { message, line: lineOf(error) } });
  });
`;

;// CONCATENATED MODULE: ./host/build/ecosystem.js






const FORMS = {
    '.js': 'code',
    '.cjs': 'code',
    '.mjs': 'code',
    '.json': 'json',
    '.yml': 'yaml',
    '.yaml': 'yaml',
};
/** Where it is looked for, in this order: what `pm2 init` writes, what PM2 itself looks for, what people call it. */
const ecosystem_NAMES = ['ecosystem', 'pm2', 'process', 'processes'].flatMap((name) => [
    ...['.config.js', '.config.cjs', '.config.mjs', '.json', '.yml', '.yaml'].map((suffix) => `${name}${suffix}`),
]);
const READS_WITHIN = 30_000;
/**
 * The ecosystem file of an app: `given`, relative to the directory `dir`, or the first that is found in `dir`.
 * Absolute. Throws a `DeployFailure` that says where it was looked for.
 */
function findEcosystem(dir, given) {
    if (given === null) {
        const found = ecosystemIn(dir);
        if (found !== null)
            return found;
        throw new DeployFailure(`There is no ecosystem file in ${dir}.`, {
            remedy: `Add one (pm2 init), or name yours in \`ecosystem\`. Or set \`app\` and \`script\` instead of a file. Looked for: ${ecosystem_NAMES.join(', ')}.`,
        });
    }
    const file = (0,external_node_path_namespaceObject.resolve)(dir, given);
    if (!FORMS[(0,external_node_path_namespaceObject.extname)(file)]) {
        throw new DeployFailure(`The ecosystem file ${JSON.stringify(given)} is not of a kind that PM2 reads: ${Object.keys(FORMS).join(', ')}.`);
    }
    if (isFile(file))
        return file;
    throw new DeployFailure(`There is no ecosystem file ${JSON.stringify(given)} in ${dir}${(0,external_node_fs_namespaceObject.existsSync)(file) ? ': that is not a file' : ''}.`, { remedy: 'The path starts at working-directory, in the commit that is deployed.' });
}
/** The ecosystem file that PM2's users would find in a directory, absolute; null if there is none. */
function ecosystemIn(dir) {
    return ecosystem_NAMES.map((name) => (0,external_node_path_namespaceObject.join)(dir, name)).find(isFile) ?? null;
}
/**
 * The apps of an ecosystem file (absolute path), evaluated in a child process, as the user wrote them: secret.
 * Variables of a `deploy` section, which PM2 adds by `--env`, are found as `env_<name>` of every app.
 * Throws a `DeployFailure` with the file, the message and the line where it cannot be evaluated or holds no apps.
 */
async function readEcosystem(file, options) {
    const { node, env, cwd, pm2Root, timeLimit = READS_WITHIN } = options;
    const form = FORMS[(0,external_node_path_namespaceObject.extname)(file)] ?? 'code';
    const mark = `@${(0,external_node_crypto_namespaceObject.randomBytes)(12).toString('hex')}@`;
    const result = await run(node, ['-e', ECOSYSTEM_READER, '--', file, form, pm2Root, mark], {
        cwd,
        env,
        timeLimit,
        keep: ALL_OF_IT,
    });
    const noise = result.tail.filter((line) => !line.includes(mark));
    const answer = result.stdout.split(mark)[1];
    if (answer === undefined) {
        const how = result.stopped === 'time limit'
            ? `it did not end within ${timeLimit / 1000} s`
            : `it ended its own process (${result.signal ?? `code ${result.code}`})`;
        throw new DeployFailure(`The ecosystem file ${(0,external_node_path_namespaceObject.basename)(file)} cannot be evaluated: ${how}.`, {
            output: noise,
        });
    }
    const { value, error } = JSON.parse(answer);
    if (error) {
        const line = error.line === null ? '' : ` (line ${error.line})`;
        const commonJs = /(module|exports|require) is not defined in ES module scope/.test(error.message);
        throw new DeployFailure(`The ecosystem file ${(0,external_node_path_namespaceObject.basename)(file)} cannot be evaluated: ${error.message}${line}.`, commonJs ? { remedy: 'With "type": "module", a file that uses module.exports must end in .cjs.' } : {});
    }
    return appsOf(value, (0,external_node_path_namespaceObject.basename)(file));
}
/** The forms that PM2 takes: an object with `apps` or `pm2`, a list of apps, or one app. */
function appsOf(value, file) {
    const holds = ecosystem_isRecord(value) ? (value.apps ?? value.pm2 ?? value) : value;
    const apps = Array.isArray(holds) ? holds : [holds];
    const odd = apps.findIndex((app) => !ecosystem_isRecord(app) || Object.keys(app).length === 0);
    if (odd >= 0 || apps.length === 0) {
        throw new DeployFailure(`The ecosystem file ${file} has no apps${apps.length > 1 ? `: entry ${odd + 1} is not one` : ''}.`, { remedy: 'It must export { apps: [{ name, script, … }] }.' });
    }
    const stages = ecosystem_isRecord(value) && ecosystem_isRecord(value.deploy) ? Object.entries(value.deploy) : [];
    return apps.map((app) => {
        const whole = { ...app };
        for (const [stage, settings] of stages) {
            if (!ecosystem_isRecord(settings) || !ecosystem_isRecord(settings.env))
                continue;
            const own = app[`env_${stage}`];
            whole[`env_${stage}`] = { ...settings.env, ...(ecosystem_isRecord(own) ? own : {}) };
        }
        return whole;
    });
}
function ecosystem_isRecord(value) {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}
function isFile(path) {
    try {
        return (0,external_node_fs_namespaceObject.statSync)(path).isFile();
    }
    catch {
        return false;
    }
}

;// CONCATENATED MODULE: ./host/pm2/node-arguments.js
const KINDS = {
    '--require': 'require',
    '-r': 'require',
    '--import': 'import',
    '--loader': 'import',
    '--experimental-loader': 'import',
};
/** The arguments that PM2 gives to Node itself for an app, under any of the names that PM2 takes. */
function nodeArgumentsOf(app) {
    const given = app.node_args ?? app.interpreter_args ?? app.interpreterArgs;
    if (Array.isArray(given))
        return given.map(String);
    return typeof given === 'string' ? given.split(' ').filter(Boolean) : [];
}
/** The same app with these arguments for Node. */
function withNodeArguments(app, given) {
    const { interpreter_args: _one, interpreterArgs: _other, ...rest } = app;
    return { ...rest, node_args: [...given] };
}
/** The modules among Node's arguments whose place depends on the directory in which Node starts. */
function modulesAmong(given) {
    const found = [];
    replaceModules(given, (module) => {
        found.push(module);
        return null;
    });
    return found;
}
/** The same arguments with the path that `pathOf` gives for a module; null leaves the module as it was written. */
function replaceModules(given, pathOf) {
    return given.map((argument, at) => {
        const [option = '', ...rest] = argument.split('=');
        const kindBefore = KINDS[given[at - 1] ?? ''];
        if (kindBefore !== undefined)
            return replaced(kindBefore, argument, pathOf) ?? argument;
        const kind = KINDS[option];
        if (kind === undefined || rest.length === 0)
            return argument;
        const path = replaced(kind, rest.join('='), pathOf);
        return path === null ? argument : `${option}=${path}`;
    });
}
function replaced(kind, specifier, pathOf) {
    // An absolute path or an address means the same from everywhere.
    if (specifier === '' || specifier.startsWith('/') || /^[a-z]+:/.test(specifier))
        return null;
    const path = pathOf({ kind, specifier });
    // `--import` takes an address, in which such a character means something else.
    return path !== null && (kind === 'require' || /^[\w./@+~-]+$/.test(path)) ? path : null;
}

;// CONCATENATED MODULE: ./host/build/find-modules.js





/** Arguments: a directory, and modules as JSON. Prints the path of each module as that directory finds it, or null. */
const FINDER = `
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
const [directory, asked] = process.argv.slice(1);
const base = directory + '/app.js';
const find = async ({ kind, specifier }) => {
  try {
    if (kind === 'require') return createRequire(base).resolve(specifier);
    return fileURLToPath(await import.meta.resolve(specifier, pathToFileURL(base).href));
  } catch {
    return null;
  }
};
process.stdout.write(JSON.stringify(await Promise.all(JSON.parse(asked).map(find))));
`;
const FINDS_WITHIN = 10_000;
/**
 * The apps with the paths of the modules that `node_args` name (`--import tsx`), as the app's own directory finds them. In
 * cluster mode Node would look in the directory of PM2's daemon. The apps are as they will run in `live`.
 */
async function findModules(apps, version) {
    return Promise.all(apps.map((app) => findModulesOf(app, version)));
}
async function findModulesOf(app, { top, live, env }) {
    const given = nodeArgumentsOf(app);
    const modules = modulesAmong(given);
    if (modules.length === 0 || expectedInstances(app).mode === 'fork')
        return app;
    const here = isWithin(live, app.cwd) ? (0,external_node_path_namespaceObject.join)(top, (0,external_node_path_namespaceObject.relative)(live, app.cwd)) : app.cwd;
    const paths = await pathsOf(modules, here, env);
    const realTop = realOrSame(top);
    let at = 0;
    const found = replaceModules(given, () => {
        const path = paths[at++] ?? null;
        return path !== null && isWithin(realTop, path) ? (0,external_node_path_namespaceObject.join)(live, (0,external_node_path_namespaceObject.relative)(realTop, path)) : path;
    });
    return withNodeArguments(app, found);
}
/** What cannot be found is left to Node, whose message says more. */
async function pathsOf(modules, directory, env) {
    if (!exists(directory))
        return [];
    const options = ['--no-warnings', '--experimental-import-meta-resolve', '--input-type=module'];
    const result = await run(process.execPath, [...options, '-e', FINDER, '--', directory, JSON.stringify(modules)], { cwd: directory, env, timeLimit: FINDS_WITHIN, keep: ALL_OF_IT });
    return result.code === 0 ? JSON.parse(result.stdout) : [];
}

;// CONCATENATED MODULE: ./host/build/live-paths.js


/** Settings that say where an app is, and what starts it. */
const PLACES = /^(cwd|script|exec|cmd|command|interpreter|exec_?interpreter)$/i;
/**
 * The apps with `live` in place of what no new version reaches, where each version has a directory of its own: a file that was
 * written for a checkout names `top`, and PM2 notes the directory of one version for what was started by hand.
 */
function meantOfLive(apps, places) {
    if (places.live === places.top)
        return [...apps];
    return apps.map((app) => {
        const moved = Object.entries(app).flatMap(([key, value]) => PLACES.test(key) && typeof value === 'string' && (0,external_node_path_namespaceObject.isAbsolute)(value)
            ? [[key, inLive(value, places)]]
            : []);
        return { ...app, ...Object.fromEntries(moved) };
    });
}
/** What all versions share stays as it is, and what lies elsewhere. */
function inLive(path, { top, live }) {
    const [first, ...rest] = below(top, path)?.split('/') ?? ['shared'];
    if (first === 'shared')
        return path;
    if (first === 'current')
        return (0,external_node_path_namespaceObject.join)(live, ...rest);
    return first === 'releases' ? (0,external_node_path_namespaceObject.join)(live, ...rest.slice(1)) : (0,external_node_path_namespaceObject.join)(live, first ?? '', ...rest);
}

;// CONCATENATED MODULE: ./host/pm2/launcher.js

/** npm and its like, by the name that people write and by the file that PM2 finds for it. */
const PACKAGE_MANAGER = /^(npm|npx|yarn|yarnpkg|pnpm|pnpx)(-cli)?(\.c?js)?$/;
/** Packages whose command starts the app as another process. */
const WRAPPER = /^(tsx|nodemon|cross-env|dotenv-cli|dotenv|env-cmd|concurrently)$/;
/**
 * The launcher's name, if the script only starts the real app as another process; else null. Takes a bare word, such as
 * `npm`, and the file that PM2 finds for it.
 */
function launcherIn(script) {
    const [, manager] = PACKAGE_MANAGER.exec((0,external_node_path_namespaceObject.basename)(script)) ?? [];
    if (manager !== undefined)
        return manager;
    // `node_modules/.bin/tsx`, and `node_modules/tsx/dist/cli.mjs`.
    const [program = ''] = script
        .split(/node_modules\/(?:\.bin\/)?/)
        .at(-1)
        ?.split('/') ?? [];
    const name = script.includes('node_modules/') ? program : (0,external_node_path_namespaceObject.basename)(script);
    return WRAPPER.test(name) ? name : null;
}

;// CONCATENATED MODULE: ./host/pm2/running-config.js
/**
 * The config that makes PM2 run again what it runs now: one app for each name, with as many instances as there are.
 * It is secret, since it holds the apps' environment. Our own deploy id is not in it: whoever restores sets one.
 *
 * A start from it gives what the list says, but for what PM2 alone decides (ids, counters, times).
 */
function baselineConfig(instances) {
    const byName = new Map();
    for (const instance of instances) {
        if (instance.module)
            continue;
        byName.set(instance.name, [...(byName.get(instance.name) ?? []), instance]);
    }
    return [...byName.values()].map((same) => appOf(same));
}
function appOf(same) {
    // The first one: PM2 numbers log files, and counts an `increment_var`, from it on.
    const first = same.reduce((one, other) => (other.pmId < one.pmId ? other : one));
    const files = {};
    if (first.outLogPath !== null)
        files.out_file = first.outLogPath;
    if (first.errLogPath !== null)
        files.error_file = first.errLogPath;
    if (first.logPath !== null)
        files.log_file = first.logPath;
    if (first.pidPath !== null)
        files.pid_file = first.pidPath;
    return {
        ...first.settings,
        ...files,
        name: first.name,
        script: first.script,
        cwd: first.cwd,
        args: first.args,
        node_args: first.nodeArgs,
        interpreter: first.interpreter,
        exec_mode: first.execMode,
        instances: same.length,
        env: { ...first.env },
        // PM2 would add the variables of its caller. Every name contains the empty text, so this filter drops them all.
        filter_env: [''],
    };
}

;// CONCATENATED MODULE: ./host/build/script-app.js



/** What Node runs as it is, and so what PM2 can run in cluster mode. */
const NODE_SCRIPT = /\.[cm]?js$/;
/**
 * The app of a host without an ecosystem file; `script` is relative to `workDir`. What runs under that name already
 * (`running`) keeps its settings, whoever started it: directory, mode, instances, arguments, environment. It keeps its
 * interpreter too, unless the new script is of another kind: then PM2 chooses, as for a first start.
 * A Node script that is started for the first time gets the mode that PM2 can reload. Holds an environment: secret.
 */
function scriptApp(name, script, workDir, running) {
    const file = (0,external_node_path_namespaceObject.join)(workDir, script);
    const same = running.filter((one) => one.name === name);
    const [old] = same;
    const [kept] = baselineConfig(same);
    if (old === undefined || kept === undefined) {
        const reloadable = { exec_mode: 'cluster', instances: 1, listen_timeout: 10_000, kill_timeout: 5_000 };
        return { name, script: file, ...(NODE_SCRIPT.test(script) ? reloadable : {}) };
    }
    const { interpreter, node_args: interpreterArgs, args, ...others } = kept;
    if (startsAnother(old))
        return { ...others, script: file, args: [] };
    if (kindOf(old.script) !== kindOf(script))
        return { ...others, script: file, args: args ?? [] };
    return { ...kept, script: file };
}
/** What was said to npm or to a shell, such as `run start`, means nothing to the app that it started. */
function startsAnother({ script, args }) {
    const isCommandLine = /^(ba|da|z)?sh$/.test((0,external_node_path_namespaceObject.basename)(script)) && args[0] === '-c';
    return isCommandLine || launcherIn(script) !== null;
}
/** Scripts of one kind have the same interpreter: bash runs no JavaScript. */
function kindOf(script) {
    return NODE_SCRIPT.test(script) ? '.js' : (0,external_node_path_namespaceObject.extname)(script);
}

;// CONCATENATED MODULE: ./host/build/apps.js








/**
 * What PM2 is to run of the version that lies at `top`, staging or live, as if it lay in live. The file is evaluated
 * where it is, so that whatever it requires is of its own version.
 */
async function readApps({ plan, places, pm2 }, top, deployId) {
    const workDir = (0,external_node_path_namespaceObject.join)(top, plan.workingDirectory);
    const [name] = plan.apps;
    if (plan.script !== null && name !== undefined) {
        const app = scriptApp(name, plan.script, workDir, await pm2.list());
        const config = deployConfig([app], { workDir, deployId, pm2Env: null });
        return meantOfLive(moveApps(config, [top], places.live), places);
    }
    const from = [top, realOrSame(top)];
    const file = findEcosystem(workDir, plan.ecosystem);
    const options = { node: process.execPath, env: pm2.env, cwd: workDir, pm2Root: pm2.install.root };
    const apps = chooseApps(await readEcosystem(file, options), plan.apps);
    const config = moveApps(deployConfig(apps, { workDir, deployId, pm2Env: plan.pm2Env }), from, places.live);
    return findModules(meantOfLive(config, places), { top, live: places.live, env: pm2.env });
}
/** The same before install and build; null if the file cannot be evaluated without what they bring. */
async function readAppsEarly(context, top, deployId) {
    try {
        return await readApps(context, top, deployId);
    }
    catch (error) {
        if (error instanceof DeployFailure)
            return null;
        throw error;
    }
}

;// CONCATENATED MODULE: external "node:timers/promises"
const promises_namespaceObject = require("node:timers/promises");
;// CONCATENATED MODULE: ./host/state/history.js
/** Deploys and rollbacks that ended, oldest first. Each appears once, with its last outcome. */
function endedDeploys(entries) {
    const ended = new Map();
    for (const entry of entries) {
        if (entry.outcome === null)
            continue;
        ended.delete(entry.deploy);
        ended.set(entry.deploy, entry);
    }
    return [...ended.values()];
}
/**
 * The verified versions as a stack, with the current one on top. A deploy adds one. A rollback removes all above the one
 * that it went to, so that rollbacks in a row go further back each time.
 */
function versionStack(entries) {
    const stack = [];
    for (const entry of endedDeploys(entries).filter(isVerified)) {
        const known = stack.map(({ sha }) => sha).lastIndexOf(entry.sha);
        if (entry.mode === 'rollback' && known >= 0)
            stack.length = known + 1;
        else if (stack[stack.length - 1]?.sha === entry.sha)
            stack[stack.length - 1] = entry;
        else
            stack.push(entry);
    }
    return stack;
}
/** The version that a rollback from `current` goes to; null if there is none. */
function versionBefore(entries, current) {
    const earlier = versionStack(entries).filter(({ sha }) => sha !== current && !isBad(entries, sha));
    return earlier[earlier.length - 1] ?? null;
}
/** Every commit that was verified here and is not marked bad, each with its last deploy; newest first. */
function goodVersions(entries) {
    const newest = new Map();
    for (const entry of endedDeploys(entries).filter(isVerified).reverse()) {
        if (!newest.has(entry.sha) && !isBad(entries, entry.sha))
            newest.set(entry.sha, entry);
    }
    return [...newest.values()];
}
/** Whether this commit had to be rolled back the last time that it went live. A failed build does not count. */
function isBad(entries, sha) {
    const judged = endedDeploys(entries).filter((entry) => entry.sha === sha && ['deployed', 'rolled-back', 'rollback-failed'].includes(String(entry.outcome)));
    const last = judged[judged.length - 1];
    return last !== undefined && last.outcome !== 'deployed';
}
/** The deploy that decides what should run here: the last that went well, `unchanged` and a removal included. */
function standingDeploy(entries) {
    const good = endedDeploys(entries).filter(({ outcome }) => ['deployed', 'unchanged', 'removed'].includes(String(outcome)));
    return good[good.length - 1] ?? null;
}
/** In the form that the runner gets. */
function pastDeploy({ mode, outcome, sha, at, run, reason }) {
    return { mode, outcome: outcome ?? 'failed', sha, at, run, reason };
}
function isVerified(entry) {
    return entry.outcome === 'deployed' && entry.sha !== null;
}

;// CONCATENATED MODULE: ./host/swap/known-tree.js

/** All generated leaves of which nothing but the name is recorded. */
const GENERATED = { kind: 'leaf', tracked: null, content: null, stamp: null };
/**
 * One version's tracked and generated paths as a tree. `deleted` says what becomes of the tracked files that its build
 * removed: of a version that comes they are absent; of one that is live they stay known, should they be back.
 */
function knownTree(tracked, generated, deleted) {
    const tree = grower();
    const removed = new Set(generated?.deleted ?? []);
    const rewritten = new Map(Object.entries(generated?.rewritten ?? {}));
    for (const parent of parentsOf(tracked.keys()))
        tree.directory(parent).tracked = true;
    for (const [path, fingerprint] of tracked) {
        if (removed.has(path) && deleted === 'absent')
            continue;
        const content = removed.has(path) ? 'deleted' : (rewritten.get(path) ?? null);
        tree.leaf(path, { kind: 'leaf', tracked: fingerprint, content, stamp: null });
    }
    for (const [path, names] of generated?.directories ?? []) {
        const { entries } = tree.directory(path);
        for (const name of names)
            entries.set(name, GENERATED);
    }
    for (const [path, size, mtimeNs, content] of generated?.singles ?? [])
        tree.leaf(path, { kind: 'leaf', tracked: null, content, stamp: `${size} ${mtimeNs}` });
    if (removed.size > 0 && deleted === 'absent')
        dropEmptied(tree.top, removed);
    return tree.top;
}
/** Puts a subtree at a path, whatever was known there. */
function graft(top, path, what) {
    const cut = path.lastIndexOf('/');
    const parent = at(top, path.slice(0, Math.max(cut, 0)));
    if (parent?.kind !== 'directory')
        throw new Error(`nothing is known around ${path}`);
    parent.entries.set(path.slice(cut + 1), what);
}
/** What is known at a path; `''` is the top. */
function at(top, path) {
    let found = top;
    for (const name of path === '' ? [] : path.split('/')) {
        found = found?.kind === 'directory' ? found.entries.get(name) : undefined;
    }
    return found;
}
/** The record without what is not known: a version that was live has files of its app as well. */
function onlyKnown(generated, known) {
    const isKnown = (path) => at(known, path) !== undefined;
    return {
        ...generated,
        roots: generated.roots.filter(isKnown),
        directories: generated.directories
            .filter(([path]) => isKnown(path))
            .map(([path, names]) => [
            path,
            names.filter((name) => isKnown(path === '' ? name : `${path}/${name}`)),
        ]),
        singles: generated.singles.filter(([path]) => isKnown(path)),
    };
}
/** Builds a tree from whole paths; a cache spares walking down from the top for each of them. */
function grower() {
    const top = { kind: 'directory', tracked: false, entries: new Map() };
    const directories = new Map([['', top]]);
    const directory = (path) => {
        const cached = directories.get(path);
        if (cached !== undefined)
            return cached;
        const made = { kind: 'directory', tracked: false, entries: new Map() };
        directories.set(path, made);
        put(path, made);
        return made;
    };
    const put = (path, what) => {
        const cut = path.lastIndexOf('/');
        directory(path.slice(0, Math.max(cut, 0))).entries.set(path.slice(cut + 1), what);
    };
    return { top, directory, leaf: put };
}
/** A directory of which the build removed all that was tracked, and put nothing in, is not there either. */
function dropEmptied(top, removed) {
    const parents = [...parentsOf(removed)].filter((path) => path !== '');
    for (const path of parents.sort((a, b) => b.length - a.length)) {
        const found = at(top, path);
        if (found?.kind !== 'directory' || !found.tracked || found.entries.size > 0)
            continue;
        const cut = path.lastIndexOf('/');
        const parent = at(top, path.slice(0, Math.max(cut, 0)));
        if (parent?.kind === 'directory')
            parent.entries.delete(path.slice(cut + 1));
    }
}

;// CONCATENATED MODULE: ./host/swap/rename.js

const IN_THE_WAY = new Set(['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EISDIR']);
/** What is at a path, a link itself and not what it names; null if nothing is, or a parent is no directory. */
function rename_statOf(path) {
    try {
        return (0,external_node_fs_namespaceObject.lstatSync)(path, { bigint: true, throwIfNoEntry: false }) ?? null;
    }
    catch (error) {
        if (codeOf(error) === 'ENOTDIR')
            return null;
        throw error;
    }
}
/** Whether two paths name one file, as a kill between the two halves of `renameIfFree` leaves them. */
function isSameFile(one, other) {
    return one !== null && other !== null && one.isFile() && one.ino === other.ino && one.dev === other.dev;
}
/**
 * Renames without replacing anything but an empty directory, and says whether it could. `rename` alone would replace a
 * file that is written at this very moment, so that a file is first given its second name and then loses its first.
 */
function renameIfFree(from, to, onStep) {
    const stat = (0,external_node_fs_namespaceObject.lstatSync)(from);
    try {
        if (stat.isFile()) {
            if (addName(from, to)) {
                onStep();
                removeName(from, onStep);
                return true;
            }
            if (rename_statOf(to) !== null)
                return false;
        }
        (0,external_node_fs_namespaceObject.renameSync)(from, to);
    }
    catch (error) {
        if (IN_THE_WAY.has(codeOf(error)))
            return false;
        throw error;
    }
    onStep();
    return true;
}
function removeName(path, onStep) {
    (0,external_node_fs_namespaceObject.unlinkSync)(path);
    onStep();
}
function codeOf(error) {
    return error.code ?? '';
}
/** False if the filesystem, or a rule about other users' files, allows no second name. */
function addName(file, name) {
    try {
        (0,external_node_fs_namespaceObject.linkSync)(file, name);
        return true;
    }
    catch (error) {
        if (codeOf(error) === 'EEXIST')
            throw error;
        return false;
    }
}

;// CONCATENATED MODULE: ./host/system/disk-space.js

/** In KiB: 2 GiB. */
const SPACE_TO_KEEP = 2 * 1024 * 1024;
/** Whether less than 2 GiB is free, or nobody knows: then nothing is kept that could be made anew. */
async function isShortOfSpace(directory, env) {
    const free = await freeSpace(directory, env);
    return free === null || free < SPACE_TO_KEEP;
}
/** What is free on a directory's filesystem for users other than root, in KiB. Null if `df` does not tell. */
async function freeSpace(directory, env) {
    const options = { cwd: '/', env, timeLimit: 10_000, keep: ALL_OF_IT };
    const { stdout } = await run('df', ['-Pk', directory], options);
    const free = Number(stdout.trim().split('\n').at(-1)?.split(/\s+/)[3]);
    return Number.isFinite(free) ? free : null;
}

;// CONCATENATED MODULE: ./host/build/copy-absent.js



/**
 * A copy, which shares its blocks where the file system can do that. A hard link would let whatever writes to the live file
 * change the version that a rollback brings back.
 */
function copyIfAbsent(path, live, staging) {
    if (rename_statOf(`${staging}/${path}`) !== null || !makeParents(path, staging))
        return 'not copied';
    try {
        const { atime, mtime } = (0,external_node_fs_namespaceObject.lstatSync)(`${live}/${path}`);
        const { COPYFILE_EXCL, COPYFILE_FICLONE } = external_node_fs_namespaceObject.constants;
        (0,external_node_fs_namespaceObject.copyFileSync)(`${live}/${path}`, `${staging}/${path}`, COPYFILE_EXCL | COPYFILE_FICLONE);
        // Servers make the ETag of its time.
        (0,external_node_fs_namespaceObject.utimesSync)(`${staging}/${path}`, atime, mtime);
        return 'copied';
    }
    catch (error) {
        if (codeOf(error) === 'ENOENT')
            return 'not copied';
        if (codeOf(error) === 'EACCES')
            return 'unreadable';
        throw error;
    }
}
/** False if the build has something else in the place of a directory. No link is followed out of it. */
function makeParents(path, staging) {
    const topDown = [...parentsOf([path])].sort((a, b) => a.length - b.length);
    for (const parent of topDown) {
        const there = rename_statOf(`${staging}/${parent}`);
        if (there === null)
            (0,external_node_fs_namespaceObject.mkdirSync)(`${staging}/${parent}`);
        else if (!there.isDirectory())
            return false;
    }
    return true;
}

;// CONCATENATED MODULE: ./host/build/frameworks.js


/** All paths are relative to the app's `package.json`. */
const FRAMEWORKS = [
    {
        packages: ['next'],
        assets: ['.next/static', '.next/standalone/**/.next/static', 'out/_next/static'],
        cache: { directory: '.next/cache', data: ['fetch-cache', 'images'] },
    },
    { packages: ['nuxt'], assets: ['.output/public/_nuxt'] },
    { packages: ['@remix-run/dev', '@react-router/dev'], assets: ['build/client/assets', 'public/build'] },
    { packages: ['@sveltejs/kit'], assets: ['build/client/_app/immutable', 'build/_app/immutable'] },
    { packages: ['vite'], assets: ['dist/assets'] },
];
/** Globs of the hashed files of each app among the `tracked` files of the version at `top`, by its dependencies. */
function frameworkAssets(top, tracked) {
    return frameworksIn(top, tracked).flatMap(({ app, assets }) => assets.map((glob) => external_node_path_namespaceObject.posix.join(app, glob)));
}
/** The build cache of each app among the `tracked` files of the version at `top`; relative to `top`. */
function frameworkCaches(top, tracked) {
    return frameworksIn(top, tracked).flatMap(({ app, cache }) => cache === undefined ? [] : { ...cache, directory: external_node_path_namespaceObject.posix.join(app, cache.directory) });
}
/** Each with the directory of its app. */
function frameworksIn(top, tracked) {
    return [...tracked]
        .filter((path) => external_node_path_namespaceObject.posix.basename(path) === 'package.json')
        .flatMap((path) => {
        const has = dependenciesOf(`${top}/${path}`);
        const known = FRAMEWORKS.filter(({ packages }) => packages.some((name) => has.has(name)));
        return known.map((framework) => ({ ...framework, app: external_node_path_namespaceObject.posix.dirname(path) }));
    });
}
/** None if it cannot be read: then nobody could have built it either. */
function dependenciesOf(manifest) {
    try {
        const { dependencies, devDependencies } = JSON.parse((0,external_node_fs_namespaceObject.readFileSync)(manifest, 'utf8'));
        return new Set(Object.keys({ ...dependencies, ...devDependencies }));
    }
    catch {
        return new Set();
    }
}

;// CONCATENATED MODULE: ./host/build/package-managers.js
const PACKAGE_MANAGERS = [
    {
        name: 'npm',
        lockfiles: ['package-lock.json', 'npm-shrinkwrap.json'],
        install: () => ['ci', '--include=dev', '--no-audit', '--no-fund'],
    },
    {
        name: 'pnpm',
        lockfiles: ['pnpm-lock.yaml'],
        install: () => ['install', '--frozen-lockfile', '--prod=false'],
    },
    {
        name: 'yarn',
        lockfiles: ['yarn.lock'],
        install: ({ berry }) => berry
            ? ['install', '--immutable']
            : ['install', '--frozen-lockfile', '--production=false', '--non-interactive'],
    },
    { name: 'bun', lockfiles: ['bun.lock', 'bun.lockb'], install: () => ['install', '--frozen-lockfile'] },
];
/** The package manager of a project and its install arguments, or null if no lockfile decides it. */
function choosePackageManager({ files, field, }) {
    const locked = PACKAGE_MANAGERS.filter((manager) => manager.lockfiles.some((file) => files.has(file)));
    const manager = locked.find(({ name }) => field?.startsWith(`${name}@`)) ?? locked[0];
    if (manager === undefined)
        return null;
    const berry = files.has('.yarnrc.yml') || /^yarn@(?!1\.)/.test(field ?? '');
    return { name: manager.name, install: manager.install({ berry }) };
}

;// CONCATENATED MODULE: ./host/build/install-inputs.js


const LOCKFILES = PACKAGE_MANAGERS.flatMap(({ lockfiles }) => lockfiles);
/** Files of a commit that an install goes by, by their name. */
const install_inputs_NAMES = new Set([
    ...['package.json', 'pnpm-workspace.yaml', 'lerna.json', 'bunfig.toml', '.node-version', '.nvmrc'],
    ...['.tool-versions', 'mise.toml', '.mise.toml', ...LOCKFILES],
]);
/** `.prisma` files, since the package `@prisma/client` reads them when it is installed. */
const PATTERNS = /(^|\/)(\.npmrc|\.yarnrc|\.yarnrc\.yml|\.pnpmfile\.[cm]?js|\.puppeteerrc[^/]*|puppeteer\.config[^/]*|prisma\.config[^/]*|[^/]+\.(prisma|patch|diff))$|(^|\/)(\.yarn|patches)\//;
/** Whether a file of the commit decides what an install makes. */
function decidesInstall(path) {
    return install_inputs_NAMES.has((0,external_node_path_namespaceObject.basename)(path)) || PATTERNS.test(path);
}
function isLockfile(path) {
    return LOCKFILES.includes((0,external_node_path_namespaceObject.basename)(path));
}
const INSTALLS = {
    npm: ['ci', 'install', 'i', 'clean-install'],
    pnpm: ['install', 'i'],
    yarn: ['install', ''],
    bun: ['install', 'i'],
};
/** Neither quotes nor anything else that a shell gives a meaning to, but for `&&`, `;` and line ends. */
const PLAIN = /^[\w@%+=:,./\s;&-]*$/;
/**
 * The package managers of a command that installs by them and does nothing else: `npm ci --omit=optional`. Null for any
 * other command: it could read any file.
 */
function managersIn(command) {
    if (!PLAIN.test(command))
        return null;
    const parts = command
        .split(/&&|;|\n/)
        .map((part) => part.trim().split(/\s+/))
        .filter(([first]) => first !== '');
    const managers = parts.map((words) => {
        const [name = '', verb = '', ...rest] = words.filter((word, at) => at > 0 || !/^\w+=/.test(word));
        const [known, flags] = verb.startsWith('-') ? ['', [verb, ...rest]] : [verb, rest];
        const installs = INSTALLS[name]?.includes(known) === true && flags.every((flag) => flag.startsWith('-'));
        return installs ? name : null;
    });
    return managers.length === 0 || managers.includes(null) ? null : managers;
}
/** Scripts that an install runs of the project itself. */
const LIFECYCLE = [
    ...['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare'],
    ...['predependencies', 'dependencies', 'postdependencies', 'pnpm:devPreinstall'],
];
/** These read nothing but what decides an install anyway, or write to `.git` alone. */
const install_inputs_HARMLESS = /^((npx )?(husky( install)?( [\w./-]+)?|patch-package( --error-on-(fail|warn))*|lefthook install|simple-git-hooks|only-allow \w+|is-ci)|true|exit 0)$/;
/** A dependency whose files are copied from the repository, or made by it. */
const LOCAL = /^(file:|portal:|exec:|\.{1,2}\/|\/|~\/)/;
const DEPENDENCIES = [
    ...['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies', 'overrides'],
    ...['resolutions', 'pnpm'],
];
/**
 * Why an install of these files can give another result although none of them changed, as a sentence's end; null if it
 * cannot. `files` are the commit's files that decide it, with their text.
 */
function whyUnrepeatable(files, tracked) {
    for (const path of tracked)
        if ((0,external_node_path_namespaceObject.basename)(path) === 'binding.gyp')
            return `${path} compiles sources of the project`;
    for (const [path, text] of files) {
        const name = (0,external_node_path_namespaceObject.basename)(path);
        if (/^(\.npmrc|pnpm-workspace\.yaml)$/.test(name) && /install-links|inject|\bfile:/i.test(text))
            return `${path} may have packages of the project copied`;
        if (name !== 'package.json')
            continue;
        const why = whyManifestIsUnrepeatable(text);
        if (why !== null)
            return `${path} ${why}`;
    }
    return null;
}
function whyManifestIsUnrepeatable(text) {
    let manifest;
    try {
        manifest = Object(JSON.parse(text));
    }
    catch {
        return 'cannot be read';
    }
    if (text.includes('"injected"'))
        return 'has packages of the project copied';
    const scripts = Object(manifest.scripts);
    for (const name of LIFECYCLE) {
        const script = scripts[name];
        if (typeof script !== 'string')
            continue;
        const parts = script.split(/&&|\|\||;/).map((part) => part.trim());
        if (!parts.every((part) => install_inputs_HARMLESS.test(part)))
            return `has a script '${name}', which may read any file of the commit`;
    }
    const local = DEPENDENCIES.flatMap((name) => textsIn(manifest[name])).find((spec) => LOCAL.test(spec));
    return local === undefined ? null : `has a dependency on files of the project, '${local}'`;
}
function textsIn(value) {
    if (typeof value === 'string')
        return [value];
    return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

;// CONCATENATED MODULE: ./host/build/path-globs.js


/** Never looked into: no page asks for what is in there. */
const PASSED_OVER = new Set(['.git', 'node_modules']);
/**
 * The files below `top` that a glob names, or that lie in a directory that it names; relative, sorted. `*` and `?` stand for
 * letters of one name, `**` for any directories. No link is followed, and none is given.
 */
function matchingFiles(top, globs) {
    const found = new Set();
    for (const glob of globs)
        visit(top, '', glob.split('/'), found);
    return [...found].sort();
}
function visit(top, directory, [first, ...rest], found) {
    const anyDepth = first === '**' || first === undefined;
    if (first === '**' && rest.length > 0)
        visit(top, directory, rest, found);
    for (const entry of entriesOf(`${top}/${directory}`)) {
        if (PASSED_OVER.has(entry.name) || !(anyDepth || namePattern(first).test(entry.name)))
            continue;
        const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
        if (entry.isDirectory())
            visit(top, path, first === '**' ? [first, ...rest] : rest, found);
        else if (entry.isFile() && rest.length === 0)
            found.add(path);
    }
}
/** None where there is no directory, or a link, or one that this user may not read. */
function entriesOf(directory) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(directory, { withFileTypes: true });
    }
    catch (error) {
        if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error) ?? ''))
            return [];
        throw error;
    }
}
/** All but `*` and `?` stand for themselves: frameworks have brackets in the names of directories. */
function namePattern(glob) {
    const source = glob
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replace(/\*/g, '.*')
        .replace(/\?/g, '.');
    return new RegExp(`^${source}$`, 's');
}

;// CONCATENATED MODULE: ./host/build/build-cache.js














/** In bytes. A build that keeps more begins without, and so keeps less. */
const LARGEST = 1024 ** 3;
/** In milliseconds: a longer copy might take more time than it saves. */
const LONGEST = 10_000;
/**
 * Gives the build in the checkout at `top` a copy of what the build of the live version left for the next one. So no build
 * that failed, and none that was rolled back, has any part in it. Says so, or why it has none.
 */
async function carryBuildCache(context, top, tracked, replaced) {
    const { plan, places, log } = context;
    if (plan.freshInstall || plan.steps.build.kind === 'none')
        return;
    if (replaced.sha === null || replaced.generated === null)
        return;
    const caches = frameworkCaches(top, tracked.keys()).filter(({ directory }) => !exists((0,external_node_path_namespaceObject.join)(top, directory)));
    if (caches.length === 0)
        return;
    const live = treeOf(places);
    const known = knownTree(replaced.tracked, replaced.generated, 'known');
    // What no build of ours made there is the app's own.
    const files = caches
        .flatMap((cache) => build_cache_filesOf(cache, live))
        .filter((path) => at(known, path)?.kind === 'leaf');
    if (files.length === 0)
        return;
    const bytes = files.reduce((sum, path) => sum + Number(rename_statOf(`${live}/${path}`)?.size ?? 0), 0);
    const why = (await whyWithout(context, bytes, replaced.tracked, tracked)) ??
        (await copyAll(context, files, live, top));
    const shown = caches.map(({ directory }) => directory).join(', ');
    const size = `${(bytes / 1024 ** 2).toFixed(0)} MiB`;
    inform(log, why === null
        ? `The build has a copy of the last build's cache: ${shown}, ${size}.`
        : `The build starts without the last build's cache (${shown}, ${size}): ${why}.`);
}
function build_cache_filesOf({ directory, data }, live) {
    const isData = (path) => data.includes(external_node_path_namespaceObject.posix.relative(directory, path).split('/')[0] ?? '');
    return matchingFiles(live, [directory]).filter((path) => !isData(path));
}
/** As a sentence's end; null if the cache can be used. */
async function whyWithout({ journal, places, env }, bytes, trackedOld, tracked) {
    const last = endedDeploys(journal.entries()).pop();
    // The cache may be why.
    if (last?.outcome === 'failed' && last.state === 'staged')
        return 'the last deploy failed before its build was ready';
    // A bundler takes a package that has its old version for unchanged, though a patch may have changed it.
    const changed = [...new Set([...trackedOld.keys(), ...tracked.keys()])]
        .filter((path) => decidesInstall(path))
        .find((path) => trackedOld.get(path) !== tracked.get(path));
    if (changed !== undefined)
        return `${changed} changed`;
    if (bytes > LARGEST)
        return 'it has more than 1 GiB';
    return (await isShortOfSpace(places.beside, env)) ? 'less than 2 GiB of the disk is free' : null;
}
/** Copies all, or nothing and gives why, as a sentence's end. */
async function copyAll({ runner }, files, live, top) {
    const made = new Set(files.map((path) => firstMissing(top, path)));
    const until = performance.now() + LONGEST;
    const copy = async () => {
        for (const path of files) {
            if (copyIfAbsent(path, live, top) !== 'copied')
                return `${path} could not be copied`;
            // A cancel can be heard between two files.
            await (0,promises_namespaceObject.setImmediate)();
            if (runner.cancelled.aborted)
                throw runner.cancelled.reason;
            if (performance.now() > until)
                return `the copy took more than ${LONGEST / 1000} s`;
        }
        return null;
    };
    const why = await copy().catch((error) => {
        if (runner.cancelled.aborted)
            throw error;
        return `it could not be copied: ${error.message}`;
    });
    if (why !== null)
        for (const path of made)
            (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.join)(top, path), { recursive: true, force: true });
    return why;
}
/** The topmost directory that has to be made for `path`, or the path itself. */
function firstMissing(top, path) {
    const names = path.split('/');
    const count = names.findIndex((_, index) => !exists((0,external_node_path_namespaceObject.join)(top, ...names.slice(0, index + 1))));
    return names.slice(0, count < 0 ? names.length : count + 1).join('/');
}

;// CONCATENATED MODULE: ./host/system/node-version.js


const TIME_LIMIT = 5_000;
/** `v22.12.0` or `22.12`; null for anything else. */
function parseVersion(text) {
    const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(text.trim()) ?? [];
    return major === undefined ? null : [Number(major), Number(minor)];
}
/** Whether it takes the guard of our preload, which has nothing that can be missing. */
function loadsPreload([major, minor]) {
    return major >= 19 || (major === 18 && minor >= 18);
}
/** Whether two processes can listen on one port with it (`reusePort`). */
function sharesPorts([major, minor]) {
    return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}
/** What native modules are built for, of the Node that runs this program. */
function nodeAbi() {
    return `${process.platform}-${process.arch}-${process.versions.modules}`;
}
function older(one, other) {
    return one[0] < other[0] || (one[0] === other[0] && one[1] < other[1]) ? one : other;
}
const asked = new Map();
/** The version of a Node by its path; null where it is none or does not say. */
function versionOf(executable) {
    if (!/^node(js)?\d*$/.test((0,external_node_path_namespaceObject.basename)(executable)))
        return Promise.resolve(null);
    const known = asked.get(executable);
    if (known !== undefined)
        return known;
    const options = { cwd: '/', env: {}, timeLimit: TIME_LIMIT, keep: 100 };
    const answer = run(executable, ['--version'], options).then(({ stdout }) => parseVersion(stdout), () => null);
    asked.set(executable, answer);
    return answer;
}

;// CONCATENATED MODULE: ./host/build/default-commands.js





/** The locked install of the package manager whose lockfile is there; null if there is nothing to install. */
function defaultInstall({ top, workDir }, env) {
    const chosen = packageManagerOf(top, workDir);
    if (chosen !== null)
        return managed(chosen.name, chosen.install, chosen.directory, env);
    const manifest = packageJson(workDir);
    if (manifest === null ||
        Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).length === 0)
        return null;
    throw new DeployFailure('package.json has dependencies, but there is no lockfile to install them from.', {
        remedy: 'Commit package-lock.json (or the lockfile of pnpm, yarn or bun), or set install-command.',
    });
}
/** The `build` script of package.json; null if there is none. */
function defaultBuild({ top, workDir }, env) {
    if (packageJson(workDir)?.scripts?.build === undefined)
        return null;
    return managed(packageManagerOf(top, workDir)?.name ?? 'npm', ['run', 'build'], workDir, env);
}
/** In a monorepo the lockfile lies above the app. */
function packageManagerOf(top, workDir) {
    for (let directory = workDir;; directory = (0,external_node_path_namespaceObject.dirname)(directory)) {
        const field = packageJson(directory)?.packageManager ?? null;
        const chosen = choosePackageManager({ files: default_commands_filesOf(directory), field });
        if (chosen !== null)
            return { ...chosen, directory };
        if ((0,external_node_path_namespaceObject.relative)(top, directory) === '')
            return null;
    }
}
/** Corepack stands in for a package manager that is not installed by itself. */
function managed(name, args, cwd, env) {
    const shown = [name, ...args].join(' ');
    if (onPath(name, env) !== null)
        return { file: name, args, cwd, shown };
    if (name !== 'bun' && onPath('corepack', env) !== null)
        return { file: 'corepack', args: [name, ...args], cwd, shown };
    throw new DeployFailure(`The lockfile asks for ${name}, which is not on this host's PATH (${env.PATH ?? 'empty'}).`, {
        remedy: `Install it on the server ('npm install -g ${name}'), add its directory to PATH with shell-init, or set install-command and build-command.`,
    });
}
/** The program that a name stands for; null if there is none. */
function onPath(name, env) {
    const directories = (env.PATH ?? '').split(external_node_path_namespaceObject.delimiter).filter((directory) => directory !== '');
    return directories.map((directory) => (0,external_node_path_namespaceObject.join)(directory, name)).find(isExecutable) ?? null;
}
function default_commands_filesOf(directory) {
    return new Set((0,external_node_fs_namespaceObject.existsSync)(directory) ? (0,external_node_fs_namespaceObject.readdirSync)(directory) : []);
}
function packageJson(directory) {
    const file = (0,external_node_path_namespaceObject.join)(directory, 'package.json');
    if (!(0,external_node_fs_namespaceObject.existsSync)(file))
        return null;
    try {
        return JSON.parse((0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8'));
    }
    catch (error) {
        throw new DeployFailure(`package.json cannot be read: ${error.message}.`);
    }
}

;// CONCATENATED MODULE: ./host/build/env-files.js





/**
 * Directories, relative, in which builds look for `.env*` files: the top, the working directory, and wherever the commit
 * has a package.json. `tracked` are the commit's files.
 */
function envDirectories(tracked, workingDirectory) {
    const packages = [...tracked].filter((path) => (0,external_node_path_namespaceObject.basename)(path) === 'package.json').map(external_node_path_namespaceObject.dirname);
    return [...new Set(['', workingDirectory, ...packages.map((path) => (path === '.' ? '' : path))])];
}
/** `.env*` files that git does not know are shown to the build as copies: a build that writes to one changes no live file. */
async function showEnvFiles(live, staging, liveGit, directories) {
    const tracked = new Set(splitZ((await liveGit.attempt(['ls-files', '-z'])).stdout));
    const shown = [];
    for (const path of envFiles(live, directories)) {
        // A link that leads nowhere is something too: nothing is ever written through it.
        if (tracked.has(path) || exists((0,external_node_path_namespaceObject.join)(staging, path)))
            continue;
        (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.join)(staging, path)), { recursive: true });
        copy((0,external_node_path_namespaceObject.join)(live, path), (0,external_node_path_namespaceObject.join)(staging, path));
        shown.push(path);
    }
    return shown;
}
function copy(from, to) {
    try {
        (0,external_node_fs_namespaceObject.copyFileSync)(from, to, external_node_fs_namespaceObject.constants.COPYFILE_EXCL);
    }
    catch (error) {
        if (error.code !== 'EACCES')
            throw error;
        throw new DeployFailure(`${from} cannot be read by this user, so the build would miss its variables.`, {
            remedy: `Let this user read it: 'sudo chown <user> ${from}' on the server.`,
            cause: error,
        });
    }
}
/** Paths of the files in these directories of `top` that begin with `.env`. A directory outside of `top`, by a link, has none. */
function envFiles(top, directories) {
    return [...new Set(directories)]
        .filter((directory) => isWithin(realOrSame(top), realOrSame((0,external_node_path_namespaceObject.join)(top, directory))))
        .flatMap((directory) => envFilesIn((0,external_node_path_namespaceObject.join)(top, directory)).map((name) => (0,external_node_path_namespaceObject.join)(directory, name)));
}
/** Names of the files in a directory that begin with `.env`; sorted. A directory of that name, or a link that leads to nothing, is none. */
function envFilesIn(directory) {
    const names = (0,external_node_fs_namespaceObject.existsSync)(directory) ? (0,external_node_fs_namespaceObject.readdirSync)(directory) : [];
    const isFile = (name) => (0,external_node_fs_namespaceObject.existsSync)((0,external_node_path_namespaceObject.join)(directory, name)) &&
        ((0,external_node_fs_namespaceObject.statSync)((0,external_node_path_namespaceObject.join)(directory, name), { throwIfNoEntry: false })?.isFile() ?? false);
    return names.filter((name) => name.startsWith('.env') && isFile(name)).sort();
}
/** Takes the copies away again, so that they are no part of what the build made. A directory in their place is. */
function hideEnvFiles(staging, shown) {
    for (const path of shown) {
        const isDirectory = (0,external_node_fs_namespaceObject.lstatSync)((0,external_node_path_namespaceObject.join)(staging, path), { throwIfNoEntry: false })?.isDirectory() ?? false;
        if (!isDirectory)
            (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.join)(staging, path), { force: true });
    }
}

;// CONCATENATED MODULE: ./host/build/manager-version.js




const TOLD_WITHIN = 20_000;
/** The version of the package manager that a command in `cwd` runs; null if it does not tell. */
async function managerVersion(name, standard, cwd, env) {
    const [file, args] = standard?.file === 'corepack' ? ['corepack', [name]] : [name, []];
    const written = file === 'npm' ? npmVersion(onPath(file, env)) : null;
    if (written !== null)
        return written;
    const options = { cwd, env, timeLimit: TOLD_WITHIN, keep: 1000 };
    const result = await run(file, [...args, '--version'], options).catch(() => null);
    return result?.code === 0 ? result.stdout.trim() : null;
}
/**
 * As npm's own package says: to ask npm takes as long as to copy a small install. Null for a file that only stands for npm,
 * such as a version manager's, and may choose another one in each directory.
 */
function npmVersion(file) {
    try {
        const directory = (0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.dirname)((0,external_node_fs_namespaceObject.realpathSync)(file ?? '')));
        const { name, version } = JSON.parse((0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(directory, 'package.json'), 'utf8'));
        return name === 'npm' && typeof version === 'string' ? version : null;
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./host/build/install-key.js









/** Variables that package managers and well-known install scripts go by. */
const ENVIRONMENT = /^(npm_config_|node_|yarn_|pnpm_|bun_|corepack_|prisma_|puppeteer_|playwright_|cypress_|sharp_|electron_)|^(CI|CC|CXX|CFLAGS|CXXFLAGS|LDFLAGS|PYTHON|HOME)$/i;
/** Settings of the user, relative to the home. */
const install_key_SETTINGS = [
    ...['.npmrc', '.yarnrc', '.yarnrc.yml', '.bunfig.toml', '.config/pnpm/rc', '.config/pnpm/config.yaml'],
];
/**
 * By everything that decides what the install of this checkout makes; null if there is nothing to install. `tracked` are the
 * commit's files. Throws a `DeployFailure` if there is no command to install them by.
 */
async function installKey(context, checkout, tracked) {
    const { plan, env } = context;
    const { top, workDir } = checkout;
    const step = plan.steps.install;
    const standard = step.kind === 'default' ? defaultInstall(checkout, env) : null;
    if (step.kind !== 'command' && standard === null)
        return null;
    const command = step.kind === 'command' ? step.command : (standard?.shown ?? '');
    const managers = managersIn(command);
    if (managers === null)
        return { why: 'install-command does more than to install by a package manager' };
    const paths = [...tracked.keys()].filter(decidesInstall).sort();
    const above = (path) => !(0,external_node_path_namespaceObject.relative)((0,external_node_path_namespaceObject.join)(top, (0,external_node_path_namespaceObject.dirname)(path)), workDir).startsWith('..');
    if (!paths.some((path) => isLockfile(path) && above(path)))
        return { why: 'the commit has no lockfile at the app, or above it' };
    if (tracked.has('.gitmodules'))
        return { why: 'the commit has submodules' };
    const texts = new Map(paths.map((path) => [path, readIfThere((0,external_node_path_namespaceObject.join)(top, path)) ?? '']));
    const unrepeatable = whyUnrepeatable(texts, tracked.keys());
    if (unrepeatable !== null)
        return { why: unrepeatable };
    const cwd = standard?.cwd ?? workDir;
    const versions = await Promise.all(managers.map((name) => managerVersion(name, standard, cwd, env)));
    if (versions.includes(null))
        return { why: `the version of ${managers.join(', ')} cannot be told` };
    const directories = [...new Set(['', plan.workingDirectory, ...paths.map((path) => (0,external_node_path_namespaceObject.dirname)(path))])];
    const all = [
        // Of this list itself.
        1,
        [command, top, cwd, managers, versions],
        [process.version, nodeAbi(), process.umask(), process.geteuid?.() ?? null],
        Object.entries(env)
            .filter(([name]) => ENVIRONMENT.test(name))
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        paths.map((path) => [path, tracked.get(path)]),
        envFiles(top, directories).map((path) => [path, (0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(top, path), 'base64')]),
        settingsOfUser(env, top).map((file) => [file, readable(file)]),
    ];
    return { key: (0,external_node_crypto_namespaceObject.createHash)('sha256').update(JSON.stringify(all)).digest('hex') };
}
function settingsOfUser(env, top) {
    const home = env.HOME ?? '/';
    const above = [];
    for (let directory = (0,external_node_path_namespaceObject.dirname)(top); directory !== '/'; directory = (0,external_node_path_namespaceObject.dirname)(directory))
        above.push(...['.yarnrc', '.yarnrc.yml', '.npmrc'].map((name) => (0,external_node_path_namespaceObject.join)(directory, name)));
    const named = [env.NPM_CONFIG_USERCONFIG, env.npm_config_userconfig].flatMap((file) => file ?? []);
    const global = [(0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.dirname)(process.execPath)), 'etc/npmrc'), '/etc/npmrc'];
    return [...install_key_SETTINGS.map((name) => (0,external_node_path_namespaceObject.join)(home, name)), ...above, ...named, ...global];
}
/** What this user may not read, no package manager reads either. */
function readable(file) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(file, 'base64');
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./host/build/kept-install.js









const check = fields({
    key: checked_text,
    roots: listOf(checked_text),
    entries: number,
    bytes: number,
});
const kept_install_FORMAT = { what: 'The record of a kept install', readers: [check] };
/** Its name beside the app. */
const INSTALL = 'install';
const placeOf = ({ places }) => (0,external_node_path_namespaceObject.join)(places.beside, INSTALL);
/**
 * Puts the kept install with this key into the checkout at `top`. False if there is none, or something is in its place. If it
 * cannot be put there whole, nothing of it is left, here and where it was kept, and the reason is thrown.
 */
async function takeInstall(context, key, top) {
    const place = placeOf(context);
    requirePrivate(context.places.beside, place);
    // One that cannot be read costs time only.
    const kept = readIfUsable((0,external_node_path_namespaceObject.join)(place, 'install.json'), kept_install_FORMAT);
    if (kept === null || kept.key !== key)
        return false;
    const { roots, entries, bytes } = kept;
    // The commit has files now where the install made some.
    if (roots.some((root) => exists((0,external_node_path_namespaceObject.join)(top, root))))
        return false;
    try {
        await kept_install_copyAll(context, roots, (0,external_node_path_namespaceObject.join)(place, 'tree'), top);
        const found = measure(top, roots);
        if (found.entries !== entries || found.bytes !== bytes)
            throw new Error('it is not whole any more');
    }
    catch (error) {
        for (const root of roots)
            (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.join)(top, root), { recursive: true, force: true });
        if (context.runner.cancelled.aborted)
            throw context.runner.cancelled.reason;
        (0,external_node_fs_namespaceObject.rmSync)(place, { recursive: true, force: true });
        throw error;
    }
    return true;
}
/**
 * Keeps what an install has just made at `top`, in the place of an earlier one. `lent` are untracked paths that it did not
 * make. Gives why it is not kept, as a sentence's end; null if it is. Never fails but by a cancel.
 */
async function keepInstall(context, key, top, lent) {
    const { places, env, runner } = context;
    const place = placeOf(context);
    const next = `${place}.new`;
    try {
        const made = await untrackedIn(context.gitIn(top));
        if ('changed' in made)
            return `the install changed ${made.changed}, which is a file of the commit`;
        const roots = made.paths.filter((path) => !lent.includes(path));
        if (await isShortOfSpace(places.beside, env))
            return 'less than 2 GiB of the disk is free';
        (0,external_node_fs_namespaceObject.rmSync)(next, { recursive: true, force: true });
        makePrivate(next);
        await kept_install_copyAll(context, roots, top, (0,external_node_path_namespaceObject.join)(next, 'tree'));
        writeVersioned((0,external_node_path_namespaceObject.join)(next, 'install.json'), kept_install_FORMAT, { key, roots, ...measure((0,external_node_path_namespaceObject.join)(next, 'tree'), roots) });
        if (exists(place))
            (0,external_node_fs_namespaceObject.renameSync)(place, (0,external_node_path_namespaceObject.join)(places.beside, `discarded-install-${Date.now()}`));
        (0,external_node_fs_namespaceObject.renameSync)(next, place);
        return null;
    }
    catch (error) {
        (0,external_node_fs_namespaceObject.rmSync)(next, { recursive: true, force: true });
        if (runner.cancelled.aborted)
            throw runner.cancelled.reason;
        return `it could not be copied: ${error.message}`;
    }
}
/** What git does not know, each directory as a whole; or the first tracked file that is not as in the commit. */
async function untrackedIn(git) {
    const args = ['status', '--porcelain=v1', '-z', '--no-renames', '--untracked-files=normal', '--ignored'];
    const paths = [];
    for (const entry of splitZ(await git.text(args, 'Looking for what the install made'))) {
        const path = entry.slice(3);
        if (!/^(\?\?|!!) /.test(entry))
            return { changed: path };
        paths.push(path.replace(/\/$/, ''));
    }
    return { paths };
}
/** Modes, times and links stay as they are. Data is shared where the filesystem can, and no file is ever shared. */
async function kept_install_copyAll(context, roots, from, to) {
    for (const root of roots)
        (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.join)(to, root)), { recursive: true });
    await Promise.all(roots.map((root) => kept_install_copy(context, (0,external_node_path_namespaceObject.join)(from, root), (0,external_node_path_namespaceObject.join)(to, root))));
}
async function kept_install_copy({ plan, env, runner }, from, to) {
    const options = { cwd: '/', env, timeLimit: plan.commandTimeout, cancel: runner.cancelled };
    const result = await run('cp', ['-a', '--reflink=auto', '--', from, to], options);
    if (result.code === 0)
        return;
    if (runner.cancelled.aborted)
        throw runner.cancelled.reason;
    (0,external_node_fs_namespaceObject.rmSync)(to, { recursive: true, force: true });
    // Not every cp knows the option.
    const plain = await run('cp', ['-a', '--', from, to], options);
    if (plain.code === 0)
        return;
    throw new Error(plain.tail[0] ?? `cp ended with ${plain.code}`);
}
function measure(top, roots) {
    const found = { entries: 0, bytes: 0 };
    const visit = (path) => {
        const stat = (0,external_node_fs_namespaceObject.lstatSync)(path);
        found.entries++;
        if (stat.isDirectory())
            for (const name of (0,external_node_fs_namespaceObject.readdirSync)(path))
                visit((0,external_node_path_namespaceObject.join)(path, name));
        else
            found.bytes += stat.size;
    };
    for (const root of roots)
        visit((0,external_node_path_namespaceObject.join)(top, root));
    return found;
}

;// CONCATENATED MODULE: ./host/build/steps.js







/** The first error of a build stands far above its end. */
const steps_TAIL_LINES = 400;
/**
 * Steps that go on after the program was killed, as nothing ends them. They keep the deploy's locks, so that the next
 * deploy, or the one that ends this, waits for them: no two migrations at once, and no after-reload-command before them.
 */
const HOLD_LOCKS = new Set(['migrate', 'before-reload']);
/** What a step runs where the user gave no command. */
const DEFAULTS = { install: defaultInstall, build: defaultBuild };
/**
 * Runs one step of the plan, shows what it prints, and says in the log how long it took. Throws a `DeployFailure` if it
 * fails or takes longer than `command-timeout`, and the reason of a cancel.
 */
async function runStep(context, name, checkout, cancel = context.runner.cancelled) {
    const { plan, clock, log, env } = context;
    const step = plan.steps[name];
    const command = step.kind === 'default'
        ? (DEFAULTS[name]?.(checkout, env) ?? null)
        : step.kind === 'command'
            ? script(context, name, step.command, checkout)
            : null;
    if (command === null) {
        if (name in DEFAULTS)
            inform(log, `Nothing to ${name}.`);
        return;
    }
    const result = await clock
        .book(name, () => run(command.file, command.args, {
        cwd: command.cwd,
        env,
        timeLimit: plan.commandTimeout,
        cancel,
        onLine: (text) => log({ type: 'output', from: name, text }),
        tailLines: steps_TAIL_LINES,
        inOrder: true,
        reap: true,
        holds: HOLD_LOCKS.has(name) ? descriptorsOf(context.locks) : [],
    }))
        .finally(() => (0,external_node_fs_namespaceObject.rmSync)(steps_scriptFile(context, name), { force: true }));
    if (result.stopped === 'cancelled')
        throw cancelled(name, cancel.reason);
    if (result.code !== 0)
        throw stepFailure(name, command.shown, result, plan.commandTimeout);
    inform(log, `${command.shown}: ${(result.durationMs / 1000).toFixed(1)} s.`);
}
const steps_scriptFile = ({ runDir }, name) => (0,external_node_path_namespaceObject.join)(runDir, `${name}-command.sh`);
/** A user's command is a script of its own: its first failing line ends it. It is in a file, and in no argument list. */
function script(context, name, command, { workDir }) {
    const file = steps_scriptFile(context, name);
    (0,external_node_fs_namespaceObject.rmSync)(file, { force: true });
    // A secret that was pasted on Windows brings its line ends along.
    (0,external_node_fs_namespaceObject.writeFileSync)(file, `${command.replace(/\r\n/g, '\n')}\n`, { mode: 0o600 });
    return {
        file: onPath('bash', context.env) !== null ? 'bash' : 'sh',
        args: ['-e', file],
        cwd: workDir,
        shown: firstLine(command),
    };
}
/** What to know of a step that failed, beyond what it printed. */
const REMEDIES = {
    migrate: 'What the command did to the database stays. Look at that before you run the job again.',
};
function stepFailure(name, shown, result, timeLimit) {
    const how = result.stopped === 'time limit'
        ? `did not end within ${Math.round(timeLimit / 1000)} s (command-timeout) and was stopped`
        : result.code === null
            ? `was ended by ${result.signal}`
            : `ended with exit code ${result.code}`;
    const killed = result.signal === 'SIGKILL' && result.stopped === null;
    const remedies = [
        ...(killed
            ? ["The kernel often ends a command when memory runs out: see 'dmesg | tail' on the server."]
            : []),
        ...[REMEDIES[name] ?? []].flat(),
    ];
    return new DeployFailure(`The ${name} command '${shown}' ${how}.`, {
        output: result.tail,
        remedy: remedies.length === 0 ? null : remedies.join(' '),
    });
}
/** A cancel says that nothing went live. What the command did until then is another matter. */
function cancelled(name, reason) {
    const remedy = REMEDIES[name];
    if (remedy === undefined)
        return reason;
    return new DeployFailure(`${reason.message} The ${name} command was stopped before its end.`, { remedy });
}
function firstLine(command) {
    const [first = '', ...rest] = command.trim().split('\n');
    return rest.length > 0 ? `${first} …` : first;
}

;// CONCATENATED MODULE: ./host/build/install.js




/**
 * Installs the checkout's dependencies, or reuses what an earlier install made where nothing that decides it has changed.
 * `tracked` are the commit's files, `lent` untracked ones that no install made.
 */
async function install(context, checkout, tracked, lent) {
    const { plan, log, clock, runner } = context;
    const found = plan.freshInstall
        ? null
        : await clock.book('install', () => installKey(context, checkout, tracked));
    if (found === null)
        return runStep(context, 'install', checkout);
    if ('why' in found) {
        await runStep(context, 'install', checkout);
        inform(log, `This install is not reused by later deploys: ${found.why}.`);
        return;
    }
    const { key } = found;
    const started = performance.now();
    const taken = await clock
        .book('install', () => takeInstall(context, key, checkout.top))
        .catch((error) => {
        if (runner.cancelled.aborted)
            throw error;
        inform(log, `The last install cannot be reused: ${error.message}. Installing anew.`);
        return false;
    });
    if (taken) {
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        inform(log, `Reused the last install: nothing that decides it changed. Copied in ${seconds} s.`);
        return;
    }
    await runStep(context, 'install', checkout);
    const why = await clock.book('install', () => keepInstall(context, key, checkout.top, lent));
    if (why !== null)
        inform(log, `This install is not reused by later deploys: ${why}.`);
}

;// CONCATENATED MODULE: ./host/build/keep-assets.js







/** Of so many replaced versions files are kept, and for so long. */
const KEPT_VERSIONS = 3;
const KEPT_FOR = 7 * 24 * 3_600_000;
/**
 * Gives the build those hashed files of the last versions that it lacks, since pages in browsers still ask for them. This
 * comes before the build is recorded, so that a swap and a rollback treat them like the build's own. Says which they are.
 */
function keepAssets({ plan, places, log }, staging, { sha, tracked, generated }) {
    if (sha === null)
        return [];
    const tree = treeOf(places);
    const globs = plan.keepAssets?.map((glob) => external_node_path_namespaceObject.posix.join(plan.workingDirectory, glob)) ??
        frameworkAssets(tree, tracked.keys());
    const { kept, unreadable } = carryAssets({
        live: tree,
        staging,
        globs,
        known: generated === null ? null : knownTree(tracked, generated, 'known'),
        sha,
        earlier: generated?.assets ?? [],
        now: Date.now(),
    });
    const count = kept.flatMap(({ paths }) => paths).length;
    const versions = kept.length === 1 ? 'the version' : `the ${kept.length} versions`;
    if (count > 0)
        inform(log, `Kept for pages that are open in browsers: ${count} assets of ${versions} before this one.`);
    if (unreadable.length > 0)
        warn(log, `This user may not read these assets of the live version, so they are not kept: ${unreadable.slice(0, 5).join(', ')}.`);
    return kept;
}
/** Copies the assets that stay from live to staging, the newest version's first, and says which could not be read. */
function carryAssets({ live, staging, globs, known, sha, earlier, now }) {
    // What no deploy put into live is the app's own, and stays there without us.
    const found = matchingFiles(live, globs).filter((path) => known === null || at(known, path)?.kind === 'leaf');
    const unreadable = [];
    const carry = (path) => {
        const done = copyIfAbsent(path, live, staging);
        if (done === 'unreadable')
            unreadable.push(path);
        return done === 'copied';
    };
    const kept = dueVersions(found, sha, earlier, now)
        .map((version) => ({ ...version, paths: version.paths.filter(carry) }))
        .filter(({ paths }) => paths.length > 0);
    return { kept, unreadable };
}
/** The replaced versions whose files still stay, newest first; each of `found` is of the version that came with it. */
function dueVersions(found, sha, earlier, now) {
    const there = new Set(found);
    const older = earlier.map((version) => ({
        ...version,
        paths: version.paths.filter((path) => there.delete(path)),
    }));
    return [{ sha, replacedAt: now, paths: [...there] }, ...older]
        .filter(({ paths, replacedAt }) => paths.length > 0 && now - replacedAt < KEPT_FOR)
        .slice(0, KEPT_VERSIONS);
}

;// CONCATENATED MODULE: ./host/build/lent-env-files.js






/**
 * Gives the version at `top` the env file of the plan, and copies of those of the live app that git does not know. Their
 * values are hidden in the log. `tracked` are the commit's files.
 */
async function lendEnvFiles(context, top, tracked) {
    const { plan, places, git, redactor } = context;
    const directories = envDirectories(tracked.keys(), plan.workingDirectory);
    const given = giveEnvFile(context, top, tracked);
    const shown = [];
    for (const from of envSources(places))
        shown.push(...(await showEnvFiles(from, top, git, directories)));
    for (const path of envFiles(top, directories))
        redactor.hide(secretsOfEnvFile((0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(top, path), 'utf8')));
    return {
        shown,
        paths: [...shown, ...given],
        takeBack: (staging) => hideEnvFiles(staging, [...shown, ...given]),
    };
}
/** Writes the plan's env file into the version at `top`. Gives its path in there, if there is one. */
function giveEnvFile({ plan }, top, tracked) {
    const path = envFilePath(plan);
    if (plan.envFile === null || path === null)
        return [];
    writeEnvFile(top, path, plan.envFile.content, tracked);
    return [path];
}

;// CONCATENATED MODULE: ./host/build/required-files.js






/**
 * Throws a `DeployFailure` if the version at `staging` lacks what PM2 is to start: a build may end well and have made nothing.
 * Then PM2 would notice only once the old version was swapped out.
 */
function requireFiles(app, places, staging) {
    requireScript(app, places.live, staging);
    requireInterpreter(app, places, staging);
}
function requireScript(app, live, staging) {
    const file = scriptFile(app);
    if (file === null || !isWithin(live, file) || (0,external_node_fs_namespaceObject.existsSync)((0,external_node_path_namespaceObject.join)(staging, (0,external_node_path_namespaceObject.relative)(live, file))))
        return;
    throw new DeployFailure(`The build made no ${(0,external_node_path_namespaceObject.relative)(live, file)}, which is the script of '${app.name}'.`, {
        remedy: 'Check that build-command makes it, and that `script` names it relative to the directory of the app.',
    });
}
/** PM2 refuses an interpreter that it cannot execute. A bare word is looked up on PATH, by PM2. */
function requireInterpreter(app, places, staging) {
    const file = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
    if (typeof file !== 'string' || !(0,external_node_path_namespaceObject.isAbsolute)(file))
        return;
    const name = (0,external_node_path_namespaceObject.relative)(places.live, file);
    // What is the app's own, such as a Python environment, comes along without being in the build.
    const candidates = isWithin(places.live, file)
        ? [staging, ...envSources(places)].map((directory) => (0,external_node_path_namespaceObject.join)(directory, name))
        : [file];
    const found = candidates.find((path) => (0,external_node_fs_namespaceObject.existsSync)(path));
    if (found !== undefined && isExecutable(found))
        return;
    const what = `${file}, which is the interpreter of '${app.name}'`;
    throw new DeployFailure(found === undefined ? `There is no ${what}.` : `This user may not execute ${what}.`, {
        remedy: found === undefined
            ? 'Check that the commit, install-command or build-command brings it. A relative path starts at working-directory.'
            : "Make it executable, in git with 'git update-index --chmod=+x'.",
    });
}

;// CONCATENATED MODULE: ./host/git/file-names.js

const SHOWN = 20;
/**
 * Refuses a commit that has file names which are not UTF-8. Git takes any bytes for a name. Records, journal and the
 * list of what is swapped are text, where two such names could become one.
 */
async function refuseNamesThatAreNoText(git, sha) {
    // Quoted by git: each byte beyond ASCII is an octal number, so that none is lost on the way.
    const listing = await git.text(['-c', 'core.quotePath=true', 'ls-tree', '-r', '--full-tree', '--name-only', sha], `Reading the files of ${sha}`);
    const names = listing.split('\n').filter((line) => line.startsWith('"') && !isText(line));
    const [first] = names;
    if (first === undefined)
        return;
    const more = names.length === 1 ? '' : ` ${names.length - 1} more names are not.`;
    throw new DeployFailure(`The file name ${first} in the commit is not valid UTF-8.${more}`, {
        output: names.slice(0, SHOWN),
        remedy: `Rename the file in the repository, commit and push. This command renames all of one directory from Latin-1: 'convmv -f latin1 -t utf8 --notest *'.`,
    });
}
function isText(quoted) {
    const bytes = quoted.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
    const name = Buffer.from(bytes, 'latin1');
    return Buffer.from(name.toString('utf8')).equals(name);
}

;// CONCATENATED MODULE: ./host/git/remote.js

/**
 * Opens the repository with the host's own credentials. Where these do not do, and it lies on the token's server, git
 * gets the token, by https, for the commands that are run here; nothing of that is written down. `say` is told so.
 */
async function openRemote(git, repository, { gitToken, say, refused }) {
    const name = await remote_nameOf(git, repository);
    // What git makes of it: a setting of the host's (url.<…>.insteadOf) may lead elsewhere.
    const actual = (await git.attempt(['ls-remote', '--get-url', name])).stdout.trim();
    const address = gitToken === null ? null : addressOnServer(actual, gitToken);
    const token = gitToken === null || address === null ? null : { address, access: accessTo(address, gitToken, refused) };
    let own = null;
    const attempt = async (command, rest, within = git) => {
        if (token === null)
            return within.attempt([...command, name, ...rest]);
        if (own === null) {
            const result = await within.attempt([...command, name, ...rest]);
            if (!lacksCredentials(result))
                return result;
            own = result;
            const over = actual.startsWith('https:') ? '' : ', over https. The origin stays as it is';
            say(`The server's own credentials do not open ${token.address}. git-token is used for this run${over}.`);
        }
        const result = await within.attempt([...command, token.address, ...rest], { access: token.access });
        if (lacksCredentials(result))
            throw refusedToken(token.address, own.tail, result);
        return result;
    };
    return {
        attempt,
        async text(command, rest, what, within) {
            const result = await attempt(command, rest, within);
            if (result.code !== 0)
                throw git.failure(result, what);
            return result.stdout;
        },
    };
}
/** A repository that the user named beats the checkout's own, which beats the workflow's. */
async function remote_nameOf(git, repository) {
    if (repository.given)
        return repository.url;
    const origin = await git.attempt(['config', '--get', 'remote.origin.url']);
    return origin.code === 0 ? 'origin' : repository.url;
}

;// CONCATENATED MODULE: ./host/git/large-files.js






const CONFIG = '.lfsconfig';
const POINTER = 'version https://git-lfs.github.com/spec/';
/** Bytes; the specification of Git LFS has it. */
const LONGEST_POINTER = 1024;
const WHAT = 'Fetching the large files (Git LFS)';
/** Git-lfs takes the files from its store. It needs no `git lfs install` on the host. */
const FILLED = [
    ['filter.lfs.process', 'git-lfs filter-process'],
    ['filter.lfs.smudge', 'git-lfs smudge -- %f'],
    ['filter.lfs.clean', 'git-lfs clean -- %f'],
    ['filter.lfs.required', 'true'],
];
/** The pointers stay, which are what git itself keeps of large files. */
const POINTERS = [
    ['filter.lfs.process', ''],
    ['filter.lfs.smudge', ''],
    ['filter.lfs.clean', ''],
    ['filter.lfs.required', 'false'],
];
/**
 * Brings the files that the commit keeps in Git LFS into the store of `live`, so that a later version finds them there. It
 * uses the host's own credentials, or the token. `clone` has nothing checked out. Gives the settings for that.
 */
async function fetchLargeFiles(live, clone, sha, origin) {
    try {
        const { files, isLeftOut } = await lookForLargeFiles(clone, sha);
        if (files.length === 0)
            return [];
        if (isLeftOut)
            return POINTERS;
        const shared = await live.text(['rev-parse', '--git-common-dir'], WHAT);
        const store = (0,external_node_path_namespaceObject.resolve)(live.directory, shared.trim(), 'lfs');
        await clone.text(['config', '--local', 'lfs.storage', store], WHAT);
        await download(clone, sha, origin);
        return FILLED;
    }
    finally {
        (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.join)(clone.directory, CONFIG), { force: true });
    }
}
/**
 * Which files the commit keeps in Git LFS, and whether the settings say that this host does without them. Throws a `DeployFailure` if
 * git-lfs is needed and missing. Lays the commit's own settings into git's directory, where git-lfs reads them.
 */
async function lookForLargeFiles(git, sha) {
    const files = await largeFiles(git, sha);
    if (files.length === 0)
        return { files, isLeftOut: false };
    const own = await git.attempt(['show', `${sha}:${CONFIG}`]);
    if (own.code === 0)
        (0,external_node_fs_namespaceObject.writeFileSync)((0,external_node_path_namespaceObject.join)(git.directory, CONFIG), own.stdout);
    const isLeftOut = await leavesPointers(git);
    if (!isLeftOut)
        await requireGitLfs(git, files);
    return { files, isLeftOut };
}
async function download(clone, sha, { repository, ...access }) {
    const url = await settingOf(clone, 'lfs.url');
    const { gitToken } = access;
    const isElsewhere = url !== null && (gitToken === null || addressOnServer(url, gitToken) === null);
    const remote = await openRemote(clone, repository, {
        ...access,
        ...(isElsewhere && { gitToken: null }),
        refused: (0,external_node_path_namespaceObject.join)(clone.directory, '.git', 'pm2-ssh-deploy-refused'),
    });
    // Git ends if a token is refused. Git-lfs would try it again and again.
    if (!isElsewhere)
        await remote.text(['ls-remote', '--quiet'], ['HEAD'], WHAT);
    await remote.text(['lfs', 'fetch'], [sha], WHAT);
}
/** What the host's settings say, or else the commit's. */
async function settingOf(clone, name) {
    for (const file of [[], ['--file', CONFIG]]) {
        const { code, stdout } = await clone.attempt(['config', ...file, '--get', name]);
        if (code === 0)
            return stdout.trim();
    }
    return null;
}
/** The files of a commit that its .gitattributes give to Git LFS. Uses the index, and leaves none. */
async function largeFiles(git, sha) {
    const paths = [...(await trackedFiles(git, sha)).keys()];
    if (!(await speaksOfLargeFiles(git, sha, paths)))
        return [];
    await git.text(['read-tree', sha], WHAT);
    const files = await givenToLargeFiles(git, paths);
    const index = await git.text(['rev-parse', '--git-path', 'index'], WHAT);
    (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.resolve)(git.directory, index.trim()), { force: true });
    return files;
}
/** The files of the commit that is checked out which are pointers as yet, unless the settings want them so. */
async function pointersLeft(git) {
    const paths = [...(await trackedFiles(git, 'HEAD')).keys()];
    if (!(await speaksOfLargeFiles(git, 'HEAD', paths)) || (await leavesPointers(git)))
        return [];
    const files = await givenToLargeFiles(git, paths);
    return files.filter((path) => isPointer((0,external_node_path_namespaceObject.join)(git.directory, path)));
}
function isPointer(file) {
    const { size } = (0,external_node_fs_namespaceObject.lstatSync)(file, { throwIfNoEntry: false }) ?? { size: 0 };
    return size < LONGEST_POINTER && (0,external_node_fs_namespaceObject.readFileSync)(file, 'latin1').startsWith(POINTER);
}
async function speaksOfLargeFiles(git, sha, paths) {
    if (!paths.some((path) => (0,external_node_path_namespaceObject.basename)(path) === '.gitattributes'))
        return false;
    const asked = ['grep', '--quiet', '-e', '^[^#].*filter=lfs', sha, '--', ':(glob)**/.gitattributes'];
    return (await git.attempt(asked)).code === 0;
}
/** By the .gitattributes of the index. */
async function givenToLargeFiles(git, paths) {
    const asked = ['check-attr', '--cached', '--stdin', '-z', 'filter'];
    const answer = await git.attempt(asked, { input: paths.map((path) => `${path}\0`).join('') });
    if (answer.code !== 0)
        throw git.failure(answer, WHAT);
    // Three parts for each file: its path, the attribute's name, its value.
    const parts = answer.stdout.split('\0');
    return parts.filter((_, at) => at % 3 === 0 && parts[at + 2] === 'lfs');
}
/** Whether the settings say that this host does without large files. */
async function leavesPointers(clone) {
    if ((await settingOf(clone, 'lfs.fetchexclude')) === '*')
        return true;
    const filter = await clone.attempt(['config', '--get-regexp', '^filter\\.lfs\\.(process|smudge)$']);
    return / --skip\b/.test(filter.stdout);
}
async function requireGitLfs(git, files) {
    if ((await git.attempt(['lfs', 'version'])).code === 0)
        return;
    throw new DeployFailure(`The repository keeps ${large_files_named(files)} in Git LFS, and the command 'git-lfs' is not on this host. The app would get small text files (pointers) in their place.`, {
        remedy: "Install it, for example with 'apt-get install git-lfs'. If the app does not need these files, run this on the server: git config --global lfs.fetchexclude '*'. The deploy then leaves the pointers in their place.",
    });
}
/** The first one, and how many there are. */
function large_files_named([first = '', ...others]) {
    return others.length === 0 ? first : `${first} and ${others.length} more`;
}

;// CONCATENATED MODULE: ./host/git/scratch.js




/**
 * Works in an empty repository of its own in the directory for temporary files, and removes it afterwards. It has the
 * settings of `live`'s repository, if there is one, so that a remote of that name is reached the same way.
 *
 * Only a fetch tells whether the remote hands a commit out, and only history tells whether a branch contains it. A fetch
 * into `live` would answer too, but would leave objects, refs and perhaps another shallow boundary there.
 */
async function inScratch(live, gitIn, format, work) {
    const directory = (0,external_node_fs_namespaceObject.mkdtempSync)((0,external_node_path_namespaceObject.join)((0,external_node_os_namespaceObject.tmpdir)(), 'pm2-ssh-deploy-'));
    const remove = () => (0,external_node_fs_namespaceObject.rmSync)(directory, { recursive: true, force: true });
    // A check ends with its session, wherever it is.
    process.once('exit', remove);
    try {
        const scratch = gitIn(directory);
        await initRepository(scratch, format, { bare: true, what: 'Making a repository to ask the remote with' });
        const common = await live.attempt(['rev-parse', '--git-common-dir']);
        if (common.code === 0)
            await borrow(live, scratch, (0,external_node_path_namespaceObject.resolve)(live.directory, common.stdout.trim()));
        return await work(scratch);
    }
    finally {
        process.off('exit', remove);
        remove();
    }
}
/** Settings are included, not copied: what they say of the repository's own form does not count then. */
async function borrow(live, scratch, source) {
    await scratch.text(['config', 'include.path', (0,external_node_path_namespaceObject.join)(source, 'config')], 'Reading the settings of git');
    const [shallow, partial] = await Promise.all([
        live.attempt(['rev-parse', '--is-shallow-repository']),
        live.attempt(['config', '--get-regexp', '^(remote\\..*\\.promisor|extensions\\.partialclone)$']),
    ]);
    // To a server, whoever has a commit has all before it: a repository with gaps must not be offered.
    if (shallow.stdout.trim() !== 'false' || partial.code === 0)
        return;
    (0,external_node_fs_namespaceObject.writeFileSync)((0,external_node_path_namespaceObject.join)(scratch.directory, 'objects', 'info', 'alternates'), `${(0,external_node_path_namespaceObject.join)(source, 'objects')}\n`);
}

;// CONCATENATED MODULE: ./host/git/resolve-ref.js



/** What the workflow runs for was chosen by GitHub, not by an input. On a fork's event a stranger chose it. */
function ruleOf({ refOrigin, allowUntrackedRef, }) {
    return allowUntrackedRef || refOrigin === 'workflow' ? 'any' : 'tracked';
}
const ABBREVIATED = /^[0-9a-f]{7,}$/;
/** Commits alone. A server that cannot leave out files sends them too, and the answer is the same. */
const WITHOUT_FILES = '--filter=tree:0';
/**
 * The full id of the commit that `ref` names on the remote now: by the name of a branch or tag, or by an id, which may
 * be the beginning of one. With the rule `any` a full id is taken as it is. Throws a `DeployFailure` if there is none.
 */
async function resolveRef(source, ref, rule) {
    if (isFullId(ref)) {
        if (rule === 'any' || (await tips(source.remote)).has(ref))
            return ref;
        if ((await trackedCommits(source)).includes(ref))
            return ref;
        throw new DeployFailure(`No branch or tag of the repository contains the commit '${ref}'.`, {
            remedy: `${CHECK} ${UNTRACKED}`,
        });
    }
    if (rule === 'tracked' && /^refs\/(?!heads\/|tags\/)/.test(ref)) {
        throw new DeployFailure(`'${ref}' is neither a branch nor a tag.`, { remedy: UNTRACKED });
    }
    const named = await lookUp(source.remote, ref);
    if (named !== null)
        return named;
    const begins = ABBREVIATED.test(ref)
        ? (await trackedCommits(source)).filter((sha) => sha.startsWith(ref))
        : [];
    if (begins[0] !== undefined && begins.length === 1)
        return begins[0];
    if (begins.length === 0)
        throw noSuch(ref, ABBREVIATED.test(ref) && rule === 'tracked');
    throw new DeployFailure(`${begins.length} commits of the repository have an id that begins with '${ref}'.`, {
        output: begins.slice(0, 20),
        remedy: 'Give the full id as ref.',
    });
}
const CHECK = 'Check ref for a typing error, and that it was pushed to the repository from which the server fetches.';
const UNTRACKED = 'A commit that only a fork or a pull request has is refused, because anybody can make one: merge it first, or set allow-untracked-ref.';
/** The repository lacks what was asked for. */
function noSuch(ref, mayBeUntracked = false) {
    const kinds = isFullId(ref) ? 'commit' : ABBREVIATED.test(ref) ? 'branch, tag or commit' : 'branch or tag';
    return new DeployFailure(`The repository has no ${kinds} '${ref}'.`, {
        remedy: mayBeUntracked ? `${CHECK} ${UNTRACKED}` : CHECK,
    });
}
/** The commits that branches and tags name on the remote. */
async function tips(remote) {
    const listing = await remote.text(['ls-remote', '--quiet', '--heads', '--tags'], [], 'Asking the repository');
    return new Set(namedCommits(listing).values());
}
/** Every commit that a branch or tag of the remote contains. */
function trackedCommits({ remote, live, gitIn }) {
    return formatOfRemote(remote).then((format) => inScratch(live, gitIn, format, async (scratch) => {
        const refs = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
        const fetch = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', WITHOUT_FILES];
        await remote.text(fetch, refs, 'Reading the history of the repository', scratch);
        // A walk, not a look-up by id: git would fetch a commit that is missing, from the fork that has it.
        return (await scratch.text(['rev-list', '--all'], 'Reading the history of the repository')).split('\n');
    }));
}
/** The commit that a branch or tag names on the remote now, or null if neither exists. */
async function lookUp(remote, ref) {
    const names = ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
    const patterns = names.flatMap((name) => [name, `${name}^{}`]);
    const listing = await remote.text(['ls-remote', '--quiet'], patterns, `Looking up ${ref} in the repository`);
    const commits = [...namedCommits(listing)].filter(([name]) => names.includes(name));
    const distinct = new Set(commits.map(([, sha]) => sha));
    if (distinct.size > 1) {
        throw new DeployFailure(`'${ref}' is both a branch and a tag of the repository, and they name different commits.`, {
            remedy: `Set ref to refs/heads/${ref} or refs/tags/${ref}.`,
        });
    }
    return [...distinct][0] ?? null;
}
/** Full names to commits. */
function namedCommits(listing) {
    const commits = new Map();
    for (const line of listing.split('\n')) {
        const [sha = '', name = ''] = line.split('\t');
        // The peeled line of an annotated tag comes after the tag's own, and names the commit.
        if (name !== '')
            commits.set(name.replace('^{}', ''), sha);
    }
    return commits;
}

;// CONCATENATED MODULE: ./host/git/fetch.js





/** Refs of ours, so that what was fetched is not garbage to git. */
const fetch_OURS = 'refs/pm2-ssh-deploy';
const FETCH = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules'];
/** Makes an empty repository at git's directory that knows where it came from. */
async function createRepository(git, url, format) {
    await initRepository(git, format);
    const remote = await git.attempt(['remote', 'add', 'origin', '--', url]);
    if (remote.code !== 0)
        await git.text(['remote', 'set-url', 'origin', '--', url], 'Setting origin');
}
/**
 * Brings exactly the commit that was asked for onto the host and resolves with its full id.
 * A commit that is there already is not fetched again.
 */
async function fetchCommit(git, gitIn, { ref, rule, repository }, access) {
    if (rule === 'any' && isFullId(ref) && (await isWhole(git, ref)))
        return ref;
    const remote = await openRemote(git, repository, access);
    const sha = await resolveRef({ remote, live: git, gitIn }, ref, rule);
    if (await isWhole(git, sha))
        return sha;
    const direct = await remote.attempt(FETCH, [`+${sha}:${fetch_OURS}/${sha}`]);
    if (direct.code === 0)
        return sha;
    // Some servers hand out a commit only as part of a branch or tag.
    const all = [`+refs/heads/*:${fetch_OURS}/heads/*`, `+refs/tags/*:${fetch_OURS}/tags/*`];
    await remote.text([...FETCH, '--prune'], all, `Fetching ${ref} from the repository`);
    const found = await git.attempt(['rev-parse', '--verify', '--quiet', `${sha}^{commit}`]);
    if (found.code !== 0)
        throw noSuch(ref);
    return sha;
}
/**
 * Finds out which commit `fetchCommit` would bring, without writing into git's repository, and says what was found.
 * Throws the `DeployFailure` that the deploy would end with.
 */
async function findCommit(git, gitIn, { ref, rule, repository }, access) {
    const remote = await openRemote(git, repository, access);
    const source = { remote, live: git, gitIn };
    const sha = await resolveRef(source, ref, rule);
    if (sha !== ref)
        return { sha, text: `The repository answers: ${ref} is ${sha} there.` };
    const direct = await inScratch(git, gitIn, formatOf(sha), (scratch) => remote.attempt([...FETCH, '--depth=1', WITHOUT_FILES], [sha], scratch));
    if (direct.code !== 0 && !(await trackedCommits(source)).includes(sha))
        throw noSuch(ref);
    return { sha, text: `The repository answers: it has the commit ${sha}.` };
}
/**
 * Whether the commit is here with all that belongs to it. A fetch that a full disk or a reboot cut short leaves the commit
 * without its files, and git checks such a one out as empty, with exit code 0.
 */
async function isWhole(git, sha) {
    const walk = await git.attempt(['rev-list', '--quiet', '--objects', `${sha}^{commit}`, '--not', '--all']);
    return walk.code === 0;
}
/** Keeps refs of ours for the given commits alone. */
async function pruneRefs(git, keep) {
    const listing = await git.attempt(['for-each-ref', '--format=%(refname)%00', fetch_OURS]);
    const stale = splitZ(listing.stdout.replace(/\n/g, '')).filter((name) => !keep.includes(name.slice(fetch_OURS.length + 1)));
    const updates = keep.flatMap((sha) => (sha === null ? [] : [`update ${fetch_OURS}/${sha} ${sha}\n`]));
    await git.attempt(['update-ref', '--stdin'], {
        input: stale
            .map((name) => `delete ${name}\n`)
            .concat(updates)
            .join(''),
    });
}

;// CONCATENATED MODULE: ./host/git/submodules.js







const UPDATE = ['submodule', '--quiet', 'update', '--init'];
const submodules_WHAT = 'Checking out the submodules';
/**
 * Fills the submodules of the commit that is checked out in git's directory, those within others too: as git does by
 * itself, and where the host's own credentials do not do, with the token for those that lie on its server.
 */
async function fillSubmodules(git, gitIn, access) {
    if (!(0,external_node_fs_namespaceObject.existsSync)((0,external_node_path_namespaceObject.join)(git.directory, '.gitmodules')))
        return;
    const result = await git.attempt([...UPDATE, '--recursive']);
    if (result.code === 0)
        return;
    if (access.gitToken === null || !lacksCredentials(result))
        throw git.failure(result, submodules_WHAT);
    await fillOneByOne(git, gitIn, access);
}
/**
 * Git's own command would check files out, and run what the host's settings name for that, with the token at hand. So
 * the commits are fetched first, each as the app's own is; what is left for git's command needs no network.
 */
async function fillOneByOne(git, gitIn, access) {
    await git.text(['submodule', '--quiet', 'init'], submodules_WHAT);
    for (const { name, path, sha } of await submodulesOf(git)) {
        const url = (await git.attempt(['config', '--get', `submodule.${name}.url`])).stdout.trim();
        // Where there is none, git does not want it filled.
        if (url === '')
            continue;
        if (access.gitToken !== null && addressOnServer(url, access.gitToken) !== null) {
            await fetchSubmodule(git, gitIn, { name, path, sha, url }, access);
        }
        await git.text([...UPDATE, '--', path], `Checking out the submodule ${path}`);
        const within = gitIn((0,external_node_path_namespaceObject.join)(git.directory, path));
        if ((0,external_node_fs_namespaceObject.existsSync)((0,external_node_path_namespaceObject.join)(within.directory, '.gitmodules')))
            await fillOneByOne(within, gitIn, access);
    }
}
/** Puts the commit where git keeps the repositories of submodules, so that git finds it there. */
async function fetchSubmodule(git, gitIn, { name, path, sha, url }, access) {
    const place = await git.text(['rev-parse', '--git-path', `modules/${name}`], submodules_WHAT);
    const directory = (0,external_node_path_namespaceObject.resolve)(git.directory, place.trim());
    const repository = gitIn(directory);
    if (!(0,external_node_fs_namespaceObject.existsSync)(directory)) {
        (0,external_node_fs_namespaceObject.mkdirSync)(directory, { recursive: true });
        await initRepository(repository, formatOf(sha), { bare: true, what: submodules_WHAT });
        await repository.text(['config', 'core.bare', 'false'], submodules_WHAT);
        await repository.text(['config', 'remote.origin.url', url], submodules_WHAT);
    }
    try {
        await fetchCommit(repository, gitIn, { ref: sha, rule: 'any', repository: { url, given: true } }, access);
    }
    catch (error) {
        if (!(error instanceof DeployFailure))
            throw error;
        const { remedy, output } = error;
        throw new DeployFailure(`The submodule ${path} was not fetched. ${error.message}`, {
            output,
            ...(remedy !== null && { remedy }),
        });
    }
}
/** The submodules of the commit that is checked out, by .gitmodules; with the commit that each is to be at. */
async function submodulesOf(git) {
    const listing = await git.attempt([
        'config',
        '-z',
        '--file',
        '.gitmodules',
        '--get-regexp',
        '^submodule\\..*\\.path$',
    ]);
    const found = [];
    for (const entry of splitZ(listing.stdout)) {
        const end = entry.indexOf('\n');
        const name = entry.slice('submodule.'.length, end - '.path'.length);
        const path = entry.slice(end + 1);
        // Git passes over such a name itself, since it becomes a directory's.
        if (name.split(/[/\\]/).includes('..'))
            continue;
        const [mode, , rest] = (await git.attempt(['ls-tree', 'HEAD', '--', path])).stdout.split(' ');
        if (mode === '160000' && rest !== undefined)
            found.push({ name, path, sha: rest.split('\t')[0] ?? '' });
    }
    return found;
}

;// CONCATENATED MODULE: ./host/build/staging-clone.js









/** Checks the commit out into `staging`, a private clone, with its large files and its submodules. */
async function checkOut(live, gitIn, staging, sha, origin) {
    await refuseNamesThatAreNoText(live, sha);
    const git = await makeClone(live, gitIn, staging, sha);
    const settings = await fetchLargeFiles(live, git, sha, origin);
    const checkout = await git.attempt(['checkout', '--quiet', '--detach', '--force', sha], { settings });
    if (checkout.code !== 0)
        throw git.failure(checkout, `Checking out ${sha} aside`);
    await fillSubmodules(git, gitIn, origin);
    for (const path of await submodulePaths(git, gitIn, sha)) {
        const submodule = gitIn((0,external_node_path_namespaceObject.join)(staging, path));
        await refuseNamesThatAreNoText(submodule, 'HEAD');
        const left = await pointersLeft(submodule);
        if (left.length > 0)
            origin.say(aboutPointers(path, left));
    }
}
function aboutPointers(submodule, files) {
    return `The submodule ${submodule} keeps ${large_files_named(files)} in Git LFS. The app gets small text files (pointers) in their place, because git-lfs is not set up on this host. Run 'git lfs install' on the server, or 'git config --global lfs.fetchexclude "*"' if the app does not need these files.`;
}
/**
 * Makes `staging` a private clone that borrows the live repository's objects, with nothing checked out. It has a
 * configuration of its own, so that what a build sets (husky's hooks path, for one) never reaches the live `.git`,
 * and it has the tags, so that `git describe` answers as it would in live.
 */
async function makeClone(live, gitIn, staging, sha) {
    // Relative to the directory that git ran in; git before 2.31 cannot be asked for an absolute one.
    const common = (await live.text(['rev-parse', '--git-common-dir'], 'Reading the repository')).trim();
    const source = (0,external_node_path_namespaceObject.resolve)(live.directory, common);
    (0,external_node_fs_namespaceObject.mkdirSync)(staging, { recursive: true, mode: 0o755 });
    const git = gitIn(staging);
    await initRepository(git, formatOf(sha), { what: 'Making the staging clone' });
    const own = (0,external_node_path_namespaceObject.join)(staging, '.git');
    for (const name of ['config', 'config.worktree', 'shallow']) {
        if ((0,external_node_fs_namespaceObject.existsSync)((0,external_node_path_namespaceObject.join)(source, name)))
            (0,external_node_fs_namespaceObject.copyFileSync)((0,external_node_path_namespaceObject.join)(source, name), (0,external_node_path_namespaceObject.join)(own, name));
    }
    if ((0,external_node_fs_namespaceObject.existsSync)((0,external_node_path_namespaceObject.join)(source, 'info')))
        (0,external_node_fs_namespaceObject.cpSync)((0,external_node_path_namespaceObject.join)(source, 'info'), (0,external_node_path_namespaceObject.join)(own, 'info'), { recursive: true });
    for (const key of ['core.hooksPath', 'core.worktree', 'core.bare']) {
        await git.attempt(['config', '--local', '--unset-all', key]);
    }
    (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.join)(own, 'objects', 'info'), { recursive: true });
    (0,external_node_fs_namespaceObject.appendFileSync)((0,external_node_path_namespaceObject.join)(own, 'objects', 'info', 'alternates'), `${(0,external_node_path_namespaceObject.join)(source, 'objects')}\n`);
    const tags = await live.text(['for-each-ref', '--format=%(objectname) %(refname)', 'refs/tags'], 'Reading the tags');
    (0,external_node_fs_namespaceObject.writeFileSync)((0,external_node_path_namespaceObject.join)(own, 'packed-refs'), tags);
    return git;
}
/** Makes files that lie in `staging` already a checkout of the commit that they are of. Asks no remote. */
async function makeCheckout(live, gitIn, staging, sha) {
    const git = await makeClone(live, gitIn, staging, sha);
    await git.text(['update-ref', '--no-deref', 'HEAD', sha], 'Setting HEAD of the staging clone');
    await git.text(['read-tree', sha], 'Reading the files of the staging clone');
}
/** Kills what still works in a left staging: the program that started it was killed, and nobody waits for it. */
function endLeftBuild(beside) {
    const workshop = (0,external_node_path_namespaceObject.join)(beside, 'staging');
    const pids = allPids().filter((pid) => isWithin(workshop, directoryOf(pid)));
    for (const pid of pids) {
        try {
            process.kill(pid, 'SIGKILL');
        }
        catch {
            // It has just ended.
        }
    }
}

;// CONCATENATED MODULE: ./host/build/stage.js




















/**
 * Checks the commit out aside, installs and builds it there, and reads what PM2 is to run of it. Asks `refuse` as soon as
 * the ecosystem file can be read: before the build, if the file is a new one and needs nothing that is installed. Assets of the `replaced`
 * version come along, and what its build left for this one.
 */
async function stage(context, sha, replaced, refuse) {
    const { plan, places } = context;
    refuseApart(places);
    makePrivate(places.beside, (0,external_node_path_namespaceObject.join)(places.beside, plan.deployId));
    discardLeftovers(context);
    const workshop = (0,external_node_path_namespaceObject.join)(places.beside, 'staging');
    const origin = { ...context.access, repository: plan.repository };
    await checkOut(context.git, context.gitIn, workshop, sha, origin);
    const submodules = await submodulePaths(context.gitIn(workshop), context.gitIn, sha);
    const workDir = requireWorkDir(workshop, plan.workingDirectory);
    const tracked = await trackedFiles(context.git, sha);
    const lent = await lendEnvFiles(context, workshop, tracked);
    if (lent.shown.length > 0)
        inform(context.log, `Install and build see copies of these files of ${envSources(places).join(' and ')}: ${lent.shown.join(', ')}.`);
    const checkout = { top: workshop, workDir };
    const early = isReadAlready(context, checkout, tracked, replaced)
        ? null
        : await readAppsEarly(context, workshop, plan.deployId);
    if (early !== null)
        await refuse(early, workshop);
    await install(context, checkout, tracked, lent.paths);
    await carryBuildCache(context, workshop, tracked, replaced);
    await runStep(context, 'build', checkout);
    // A path into staging that the build wrote down must fail where it can still be seen: before the version is live.
    const staging = buildPlace(context);
    requirePrivate(places.beside);
    (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(staging), { recursive: true });
    (0,external_node_fs_namespaceObject.renameSync)(workshop, staging);
    const config = await readVersion(context, staging, refuse);
    lent.takeBack(staging);
    // Each names a directory of the staging clone that does not come along.
    for (const path of submodules)
        (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.join)(staging, path, '.git'), { force: true });
    const assets = keepAssets(context, staging, replaced);
    const generated = recordGenerated(staging, tracked, assets);
    const record = saveRecord(places.state, plan.deployId, generated);
    // No build made it, so that a later deploy without `env-file` leaves it alone.
    const given = giveEnvFile(context, staging, tracked);
    const kept = (0,external_node_path_namespaceObject.join)(places.beside, plan.deployId, 'kept');
    return { sha, staging, kept, generated, given, record, config };
}
/**
 * Whether this very ecosystem file was read for the live version, with the same settings, and not refused. It is read again after
 * the build in any case; a look at it takes a process, 50 ms or more.
 */
function isReadAlready({ plan }, { top, workDir }, tracked, { tracked: trackedOld, sameSettings }) {
    const file = plan.ecosystem === null ? ecosystemIn(workDir) : (0,external_node_path_namespaceObject.join)(workDir, plan.ecosystem);
    if (plan.script !== null || file === null || !sameSettings)
        return false;
    const path = (0,external_node_path_namespaceObject.relative)(top, file);
    return tracked.has(path) && trackedOld.get(path) === tracked.get(path);
}
/** What PM2 is to run of the version at `staging`, refused if it cannot be deployed. */
async function readVersion(context, staging, refuse) {
    const { plan, places } = context;
    tellUnusedEcosystem(context, (0,external_node_path_namespaceObject.join)(staging, plan.workingDirectory));
    const config = await readApps(context, staging, plan.deployId);
    for (const app of config) {
        context.redactor.hide(secretsOfApp(app));
        requireFiles(app, places, staging);
    }
    await refuse(config, staging);
    return config;
}
/** `script` was asked for: a file that says something else is not read, and nobody should wait for it to count. */
function tellUnusedEcosystem({ plan, log }, workDir) {
    const found = plan.script === null ? null : ecosystemIn(workDir);
    if (found === null)
        return;
    warn(log, `${(0,external_node_path_namespaceObject.basename)(found)} is not used, because \`script\` is set. Leave \`script\` out to use that file.`);
}
/** Where the app lives in the checkout; a link may not lead install and build to somewhere else. */
function requireWorkDir(staging, workingDirectory) {
    const workDir = (0,external_node_path_namespaceObject.join)(staging, workingDirectory);
    const real = realOrSame(workDir);
    if (!isWithin(realOrSame(staging), real)) {
        throw new DeployFailure(`working-directory '${workingDirectory}' is a link in the commit, and leads out of it, to ${real}.`, { remedy: 'Name a directory of the repository itself.' });
    }
    if ((0,external_node_fs_namespaceObject.statSync)(real, { throwIfNoEntry: false })?.isDirectory() === true)
        return workDir;
    throw new DeployFailure(`The commit has no directory '${workingDirectory}' (working-directory).`);
}
/** Partial work of a deploy that was killed is put out of the way; it is deleted when this one has ended. */
function discardLeftovers({ places }) {
    const workshop = (0,external_node_path_namespaceObject.join)(places.beside, 'staging');
    endLeftBuild(places.beside);
    if (exists(workshop))
        (0,external_node_fs_namespaceObject.renameSync)(workshop, (0,external_node_path_namespaceObject.join)(places.beside, `discarded-${Date.now()}`));
}

;// CONCATENATED MODULE: ./host/pm2/env-port.js
/** The PORT of an environment, or null where it has none that is a TCP port. */
function portIn(env) {
    const port = Number(env.PORT);
    return Number.isInteger(port) && port > 0 && port < 65_536 ? port : null;
}

;// CONCATENATED MODULE: external "node:net"
const external_node_net_namespaceObject = require("node:net");
;// CONCATENATED MODULE: ./host/health/listening.js


const LISTEN = '0A';
/** The kernel's tables begin with what listens. Before Linux 4.4, half-open connections stand among it. */
const AT_THE_TOP = [LISTEN, '03'];
const CHUNK = 16 * 1024;
/**
 * The TCP ports that any of these processes has open for listening, by port, from /proc; each once.
 * In PM2's cluster mode the daemon holds the sockets of all its cluster apps, and their processes hold none.
 */
function listeningPorts(pids) {
    const byInode = new Map([...listeners('tcp'), ...listeners('tcp6')]);
    const found = new Map();
    for (const inode of byInode.size === 0 ? [] : pids.flatMap(socketInodes)) {
        const socket = byInode.get(inode);
        if (socket)
            found.set(`${socket.address} ${socket.port}`, socket);
    }
    return [...found.values()].sort((a, b) => a.port - b.port || a.address.localeCompare(b.address));
}
/** The addresses on which anything of this host listens on a port. */
function listeningAddresses(port) {
    const sockets = [...listeners('tcp'), ...listeners('tcp6')].map(([, socket]) => socket);
    return [...new Set(sockets.filter((socket) => socket.port === port).map(({ address }) => address))];
}
/** Whether something takes a TCP connection there within `timeLimit` milliseconds. All addresses are asked at loopback. */
async function accepts(port, address, timeLimit) {
    const hosts = address === '0.0.0.0' ? ['127.0.0.1'] : address === '::' ? ['::1', '127.0.0.1'] : [address];
    const deadline = Date.now() + timeLimit;
    for (const host of hosts) {
        if (await connects(port, host, Math.max(1, deadline - Date.now())))
            return true;
    }
    return false;
}
function connects(port, host, timeLimit) {
    return new Promise((resolve) => {
        const socket = (0,external_node_net_namespaceObject.connect)({ port, host });
        const settle = (answer) => {
            clearTimeout(timer);
            socket.destroy();
            resolve(answer);
        };
        const timer = setTimeout(settle, timeLimit, false);
        socket.once('connect', () => settle(true));
        socket.once('error', () => settle(false));
    });
}
function listeners(table) {
    return listenersIn(`/proc/net/${table}`);
}
/** What listens by a table of the kernel's, by inode. */
function listenersIn(file) {
    const sockets = [];
    for (const row of rowsOf(file)) {
        const fields = row.trim().split(/\s+/);
        const [address, port] = fields[1]?.split(':') ?? [];
        if (!AT_THE_TOP.includes(fields[3] ?? ''))
            break;
        if (fields[3] !== LISTEN || !address || !port || !fields[9])
            continue;
        sockets.push([fields[9], { address: addressOf(address), port: Number.parseInt(port, 16) }]);
    }
    return sockets;
}
/** The rows below the heading, read only as far as they are asked for: a busy server has very many connections. */
function* rowsOf(file) {
    const descriptor = openTable(file);
    if (descriptor === null)
        return;
    try {
        const chunk = Buffer.alloc(CHUNK);
        let text = '';
        let isHeading = true;
        for (let size = readChunk(descriptor, chunk); size > 0; size = readChunk(descriptor, chunk)) {
            const lines = (text + chunk.toString('latin1', 0, size)).split('\n');
            text = lines.pop() ?? '';
            for (const line of lines) {
                if (!isHeading)
                    yield line;
                isHeading = false;
            }
        }
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(descriptor);
    }
}
function openTable(file) {
    try {
        return (0,external_node_fs_namespaceObject.openSync)(file, 'r');
    }
    catch {
        return null;
    }
}
function readChunk(descriptor, chunk) {
    try {
        return (0,external_node_fs_namespaceObject.readSync)(descriptor, chunk);
    }
    catch {
        return 0;
    }
}
/** The kernel prints words of four bytes, each as a number of this machine's byte order; all of Node's are little-endian. */
function addressOf(hex) {
    const bytes = [];
    for (let word = 0; word < hex.length; word += 8) {
        for (let at = word + 6; at >= word; at -= 2)
            bytes.push(Number.parseInt(hex.slice(at, at + 2), 16));
    }
    if (bytes.length === 4)
        return bytes.join('.');
    const mapped = bytes.slice(0, 12).every((byte, at) => byte === (at < 10 ? 0 : 255));
    if (mapped)
        return bytes.slice(12).join('.');
    const groups = [];
    for (let at = 0; at < 16; at += 2)
        groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
    const text = groups.join(':');
    const zeros = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length)[0];
    if (zeros?.index === undefined)
        return text;
    return `${text.slice(0, zeros.index)}::${text.slice(zeros.index + zeros[0].length + 1)}`;
}
function socketInodes(pid) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(`/proc/${pid}/fd`).flatMap((fd) => {
            try {
                return /^socket:\[(\d+)\]$/.exec((0,external_node_fs_namespaceObject.readlinkSync)(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
            }
            catch {
                return [];
            }
        });
    }
    catch {
        return [];
    }
}

;// CONCATENATED MODULE: ./host/health/app-ports.js



/** Of the ports that accept connections, those of the app of this name; `all` is everything that the daemon runs. */
function portsOfApp(name, all, accepting) {
    const own = all.filter((one) => one.name === name);
    const declared = accepting.filter((port) => own.some(({ env }) => portIn(env) === port));
    const first = own[0];
    if (first === undefined)
        return { certain: [], perhaps: [] };
    if (first.execMode === 'fork')
        return { certain: sorted([...declared, ...heldBy(own, accepting)]), perhaps: [] };
    const others = all.filter((one) => one.name !== name);
    const taken = new Set([
        ...others.flatMap(({ env }) => portIn(env) ?? []),
        ...heldBy(others.filter(({ execMode }) => execMode === 'fork'), accepting),
    ]);
    const left = accepting.filter((port) => !declared.includes(port) && !taken.has(port));
    const alone = !others.some(({ execMode }) => execMode === 'cluster');
    if (alone)
        return { certain: sorted([...declared, ...left]), perhaps: [] };
    return { certain: declared, perhaps: declared.length === 0 ? left : [] };
}
/** Of these ports, those that the processes listen on themselves, or what they started does. */
function heldBy(instances, ports) {
    const pids = instances.map(({ pid }) => pid).filter((pid) => pid > 0);
    const held = listeningPorts(pids.flatMap((pid) => [pid, ...descendantsOf(pid)])).map(({ port }) => port);
    return ports.filter((port) => held.includes(port));
}
function sorted(ports) {
    return [...new Set(ports)].sort((a, b) => a - b);
}

;// CONCATENATED MODULE: ./host/health/job.js

/**
 * Whether an instance is of an app that ends by itself, by its settings: PM2 does not start it again after exit code 0.
 * In cluster mode PM2 gives a crash exit code 0 as well, so an app that has a port there counts as a server.
 */
function isJob({ autorestart, settings, execMode, env }) {
    const ends = !autorestart || codesIn(settings.stop_exit_codes).includes(0);
    return ends && !(execMode === 'cluster' && portIn(env) !== null);
}
/** The same, of an app that PM2 does not run yet. */
function endsByItself(app) {
    return app.autorestart === false || codesIn(app.stop_exit_codes).includes(0);
}
/** Whether a job has done its work: it does not run, and PM2 reports no failure. */
function endedWell(one) {
    return hasEnded(one) && (one.exitCode ?? 0) === 0;
}
/** Whether nothing of a job runs. PM2 6 still calls it `online` then, and with a `restart_delay` it waits for ever. */
function hasEnded(one) {
    return isJob(one) && one.pid === 0 && ['stopped', 'online', 'waiting restart'].includes(one.status);
}
/** Whether PM2 restarts the app by a clock. */
function restartsByCron({ settings }) {
    return isPattern(settings.cron_restart);
}
/** Whether a `cron_restart` is one: 0 turns it off. */
function isPattern(value) {
    return typeof value === 'string' && value !== '' && value !== '0';
}
/**
 * Whether PM2 restarted an instance between two looks on purpose, as its settings say: for that it notes a new
 * `created_at`, for a restart after a crash it does not.
 */
function restartedOnPurpose(then, now) {
    return now.createdAt !== then.createdAt && (restartsByCron(now) || isJob(now));
}
function codesIn(value) {
    const codes = Array.isArray(value) ? value : [value ?? null];
    return codes.filter((code) => code !== null && code !== '').map(Number);
}

;// CONCATENATED MODULE: ./host/health/ports.js



/** In cluster mode PM2's daemon listens for all its workers, so that ports of other apps must be left out by their env. */
function portsOf(pm2, instances, all) {
    const daemon = pm2.daemonPid();
    const processes = instances.map(({ pid }) => pid).filter((pid) => pid > 0);
    const listeners = processes.flatMap((pid) => [pid, ...descendantsOf(pid)]);
    if (daemon !== null && instances.some(({ execMode }) => execMode === 'cluster'))
        listeners.push(daemon);
    const others = all.filter((one) => !instances.includes(one)).flatMap(({ env }) => portIn(env) ?? []);
    const own = instances.flatMap(({ env }) => portIn(env) ?? []);
    const found = listeningPorts(listeners).map(({ port }) => port);
    return [...new Set([...own, ...found.filter((port) => !others.includes(port))])];
}
/** Ports that the environments of these apps name as PORT. */
function declaredPorts(apps, pm2Env) {
    return apps.flatMap((app) => declaredPort(app, pm2Env) ?? []);
}
function declaredPort(app, pm2Env) {
    return portIn({ ...app.env, ...app[`env_${pm2Env}`] });
}
/** Ports on which the new version must accept connections: its PORT, else those of the old version. */
function expectedPorts(config, pm2Env, { apps, ports: accepted }) {
    const ports = new Set(accepted);
    const unnamed = unnamedPort(apps, accepted);
    for (const app of config) {
        const old = apps.find(({ name }) => name === app.name);
        const oldPort = old === undefined ? null : portIn(old.env);
        const port = declaredPort(app, pm2Env);
        // An app that never listened on its PORT is a worker that shares its environment with other apps.
        if (port === null || (oldPort !== null && !accepted.includes(oldPort)))
            continue;
        const replaced = oldPort ?? (old === undefined ? null : unnamed);
        if (replaced !== null)
            ports.delete(replaced);
        ports.add(port);
    }
    return [...ports].sort((a, b) => a - b);
}
/** The port that an app took from its code or from an env file, if it can be only one port of only one app. */
function unnamedPort(apps, accepted) {
    const named = apps.map(({ env }) => portIn(env));
    const others = accepted.filter((port) => !named.includes(port));
    const [port = null] = others;
    return others.length === 1 && named.filter((one) => one === null).length === 1 ? port : null;
}

;// CONCATENATED MODULE: ./host/health/health.js


const HEALTHY = { kind: 'healthy' };
/** PM2's own default for the time in which a new instance listens, in milliseconds. */
const BOOTS_WITHIN = 3_000;
/**
 * Judges one snapshot by every rule of health. `since` is the first snapshot after the reload: from then on no
 * process may be replaced, and no restart counter may rise.
 */
function judge(expected, now, since) {
    // An instance of another version may crash: its turn has not come.
    const ours = now.instances.filter(({ deployId }) => deployId === expected.deployId);
    const broken = firstOf(ours, failed) ?? firstOf(ours, (one) => changed(one, since));
    if (broken !== null)
        return { kind: 'broken', why: broken };
    const mute = silent(expected, now);
    const [thrown] = now.thrown;
    // A boot that ends in a rejection never listens, so there is no point in waiting.
    if (mute !== null && thrown !== undefined)
        return { kind: 'broken', why: `${thrown}, and ${mute}` };
    const pending = miscounted(expected, now) ??
        firstOf(now.instances, (one) => notReady(one, now)) ??
        firstOf(now.instances, (one) => otherVersion(one, expected, now)) ??
        firstOf(now.instances, (one) => astray(one, expected, now)) ??
        orphans(expected, now) ??
        mute ??
        now.complaint;
    if (pending === null)
        return HEALTHY;
    return { kind: 'pending', why: pending, planned: ours.some((one) => isInPlannedRestart(one, now.at)) };
}
/** The first snapshot, with each instance as it was after the last restart that was no crash, or will be after this one. */
function afterPlannedRestarts(since, now) {
    const instances = since.instances.map((then) => {
        const one = now.instances.find(({ pmId }) => pmId === then.pmId);
        if (one === undefined || !(then === one || restartedOnPurpose(then, one) || hasEnded(one)))
            return then;
        const planned = restartsByCron(one) || isJob(one);
        return planned && isBetween(one) ? { ...one, pid: 0, restartTime: one.restartTime + 1 } : one;
    });
    return { ...since, instances };
}
/**
 * What the counters of an instance are compared with while PM2 reloads: the instance as it was when it last ran another
 * version, or before the last restart that was no crash.
 */
function baseInReload(base, one, deployId) {
    if (one.deployId !== deployId)
        return one;
    const planned = restartsByCron(one) || isJob(one);
    // An instance that was not there before has not counted any restart yet.
    if (base === undefined)
        return { ...one, restartTime: planned ? one.restartTime - 1 : -1 };
    if (!restartedOnPurpose(base, one))
        return base;
    return { ...one, restartTime: isBetween(one) ? one.restartTime : one.restartTime - 1 };
}
/** PM2 counts a restart, and starts the new process, only once the old one is gone. */
function isBetween(one) {
    return ['stopping', 'stopped', 'waiting restart'].includes(one.status);
}
/** Whether PM2 restarts an instance by its clock now, or has just done so and it boots. */
function isInPlannedRestart(one, at) {
    if (!restartsByCron(one))
        return false;
    return one.status !== 'online' || at - one.pmUptime < (one.listenTimeout ?? BOOTS_WITHIN);
}
/**
 * The first sign, while PM2 still reloads, that the new version fails; null while there is none.
 * `bases` are what the counters are compared with, from `baseInReload`.
 */
function troubleInReload(deployId, now, bases) {
    return firstOf(now.filter((one) => one.deployId === deployId), (one) => {
        // PM2 counts the reload itself as one restart.
        const allowed = (bases.find(({ pmId }) => pmId === one.pmId)?.restartTime ?? -1) + 1;
        return failed(one) ?? (one.restartTime > allowed ? `${health_nameOf(one)} crashed and was restarted` : null);
    });
}
function failed(one) {
    if (one.status === 'errored')
        return `${health_nameOf(one)} is errored`;
    if (isJob(one)) {
        const failed = hasEnded(one) && !endedWell(one);
        return failed ? `${health_nameOf(one)} ended with exit code ${one.exitCode}` : null;
    }
    // With `cron_restart`, PM2 goes through these in each restart.
    return ['stopped', 'waiting restart'].includes(one.status) && !restartsByCron(one)
        ? `${health_nameOf(one)} is ${one.status}`
        : null;
}
function changed(one, since) {
    const then = since.instances.find(({ pmId }) => pmId === one.pmId);
    if (then === undefined || then.deployId !== one.deployId)
        return null;
    if (restartedOnPurpose(then, one) || endedWell(one))
        return null;
    if (one.restartTime > then.restartTime)
        return `${health_nameOf(one)} crashed and was restarted (PM2 counted ${one.restartTime} restarts in all)`;
    return then.pid > 0 && one.pid !== then.pid
        ? `${health_nameOf(one)} was replaced: pid ${then.pid} became ${one.pid}`
        : null;
}
function miscounted(expected, now) {
    for (const [name, count] of Object.entries(expected.instances)) {
        const found = now.instances.filter((one) => one.name === name).length;
        if (found !== count)
            return `'${name}' has ${found} instances instead of ${count}`;
    }
    return null;
}
function notReady(one, now) {
    if (endedWell(one))
        return null;
    if (one.status !== 'online')
        return `${health_nameOf(one)} is ${one.status}`;
    return one.pid > 0 && now.startTicks.has(one.pid) ? null : `${health_nameOf(one)} has no living process`;
}
function otherVersion(one, expected, now) {
    if (one.deployId !== expected.deployId)
        return `${health_nameOf(one)} still runs another version`;
    // PM2 was given the deploy's id after the swap: a job that has ended had the new files.
    if (endedWell(one))
        return null;
    const started = now.startTicks.get(one.pid) ?? 0;
    const tooOld = expected.after !== null && started <= expected.after;
    return tooOld ? `${health_nameOf(one)} was started before this version's files were in place` : null;
}
/** An app may go wherever it likes, but not into another version's files: it would run those, or read them. */
function astray(one, { elsewhere }, now) {
    if (elsewhere === null)
        return null;
    const { directory, but } = elsewhere;
    const other = (now.directories.get(one.pid) ?? []).find((path) => isWithin(directory, path) && !but.some((own) => isWithin(own, path)));
    return other === undefined
        ? null
        : `${health_nameOf(one)} runs in ${other}, which is not the directory of this version`;
}
function orphans(expected, now) {
    const found = now.orphans.filter((pid) => !expected.knownOrphans.includes(pid));
    return found.length > 0
        ? `PM2's daemon has processes that it does not list: pid ${found.join(', ')}`
        : null;
}
function silent(expected, now) {
    const missing = expected.ports.filter((port) => !now.accepting.has(port));
    return missing.length > 0 ? `nothing accepts connections on port ${missing.join(', ')}` : null;
}
function health_nameOf(one) {
    return `'${one.name}' (pm2 id ${one.pmId})`;
}
function firstOf(items, find) {
    for (const item of items) {
        const found = find(item);
        if (found !== null)
            return found;
    }
    return null;
}

;// CONCATENATED MODULE: external "node:http"
const external_node_http_namespaceObject = require("node:http");
;// CONCATENATED MODULE: external "node:https"
const external_node_https_namespaceObject = require("node:https");
;// CONCATENATED MODULE: external "node:tls"
const external_node_tls_namespaceObject = require("node:tls");
;// CONCATENATED MODULE: ./host/health/health-request.js




/** An answer that takes longer is none. Milliseconds. */
const ANSWERS_WITHIN = 5_000;
/** Bytes of a body that are read: a health check that goes on for longer has said enough. */
const READ = 64 * 1024;
/** Characters of a body that are told; secrets are taken out later, so that the cut is made between words. */
const TOLD = 1_000;
/**
 * Makes `health-url` absolute: a path stands for the app's own port on this host. Of the ports on which the app is
 * expected it is the one that its PORT says, else the only one. Null if that is not one port.
 */
function absoluteUrl(given, expected, declared) {
    if (!given.startsWith('/'))
        return given;
    const own = expected.filter((port) => declared.includes(port));
    const [port, ...others] = own.length > 0 ? own : expected;
    return port === undefined || others.length > 0 ? null : `http://localhost:${port}${given}`;
}
/**
 * What is surely wrong with `/` of an app that nobody gave a health URL for, at this port of 127.0.0.1; else null. No page
 * has to be there: only a 5xx counts, and a connection that is closed without an answer, unless the app speaks TLS.
 */
async function troubleAtRoot(port, at) {
    const complaint = await request(`http://localhost:${port}/`, null, { at });
    if (complaint === null)
        return null;
    const failed = (complaint.status ?? 0) >= 500;
    if (!failed && !CLOSED.has(complaint.code))
        return null;
    if (!failed) {
        const overTls = await request(`https://localhost:${port}/`, null, { at });
        if (overTls === null || !(CLOSED.has(overTls.code) || overTls.code === 'EPROTO'))
            return null;
    }
    return sentence(`http://localhost:${port}/`, complaint);
}
const CLOSED = new Set(['ECONNRESET', 'EPIPE']);
/**
 * Requests a URL once, over a connection of its own, and follows no redirect. Resolves with null if the answer is
 * whole and 2xx, else with what is wrong, as a sentence without its full stop; parts of it are the app's own words.
 */
async function complaintAbout(url, options = {}) {
    const { hostname } = new URL(url);
    // Not every Node tries both, and an app may listen on either one.
    const both = hostname === 'localhost' && options.at === undefined && options.over === undefined;
    const addresses = both ? ['127.0.0.1', '::1'] : [null];
    let absent = null;
    for (const address of addresses) {
        const complaint = await request(url, address, options);
        if (complaint === null || !NOBODY_THERE.has(complaint.code))
            return sentence(url, complaint);
        absent ??= complaint;
    }
    return sentence(url, absent);
}
const NOBODY_THERE = new Set([
    'ECONNREFUSED',
    'EADDRNOTAVAIL',
    'EAFNOSUPPORT',
    'ENETUNREACH',
    'EHOSTUNREACH',
]);
function sentence(url, complaint) {
    return complaint === null ? null : `${shownUrl(url)} ${complaint.why}`;
}
function request(url, address, { timeLimit = ANSWERS_WITHIN, cancel, at, over }) {
    return new Promise((resolve) => {
        let response = null;
        const body = [];
        const settle = (complaint) => {
            clearTimeout(timer);
            resolve(complaint);
            asked.destroy();
        };
        const judge = (ending) => {
            const status = response?.statusCode ?? 0;
            const good = response === null || (status >= 200 && status < 300);
            settle(good ? ending : { why: aboutStatus(status, response?.headers.location, body), code: '', status });
        };
        const late = () => judge({
            why: `${response === null ? 'gave no answer' : 'did not finish its answer'} within ${timeLimit / 1000} s`,
            code: '',
        });
        const options = {
            agent: false,
            headers: { 'User-Agent': 'pm2-ssh-deploy', Accept: '*/*', Host: new URL(url).host },
        };
        if (at !== undefined) {
            const { hostname } = new URL(url);
            Object.assign(options, { hostname: '127.0.0.1', port: at });
            if (!hostname.startsWith('[') && (0,external_node_net_namespaceObject.isIP)(hostname) === 0)
                options.servername = hostname;
        }
        if (over !== undefined) {
            const { protocol, hostname: host } = new URL(url);
            // With an agent, even with none, Node opens a connection of its own.
            delete options.agent;
            const servername = (0,external_node_net_namespaceObject.isIP)(host) === 0 && !host.startsWith('[') ? host : '';
            options.createConnection = () => protocol === 'https:' ? (0,external_node_tls_namespaceObject.connect)({ socket: over, host, servername }) : over;
        }
        if (address !== null)
            options.lookup = lookupOf(address);
        if (cancel !== undefined)
            options.signal = cancel;
        const asked = (url.startsWith('https:') ? external_node_https_namespaceObject.get : external_node_http_namespaceObject.get)(url, options);
        // What came while this process was busy is read first.
        const timer = setTimeout(() => setImmediate(late), timeLimit);
        asked.on('error', (error) => {
            const code = error.code ?? error.message;
            judge({ why: response === null ? aboutError(code) : `broke off its answer (${code})`, code });
        });
        asked.on('response', (answer) => {
            response = answer;
            let size = 0;
            answer.on('data', (chunk) => {
                body.push(chunk);
                size += chunk.length;
                if (size >= READ)
                    judge(null);
            });
            answer.on('end', () => judge(null));
            answer.on('error', () => { });
            answer.on('close', () => judge({ why: 'broke off its answer', code: '' }));
        });
    });
}
/** Resolves every name to this address. Newer Nodes ask for a list. */
function lookupOf(address) {
    const family = address.includes(':') ? 6 : 4;
    return (_host, { all }, done) => (all ? done(null, [{ address, family }]) : done(null, address, family));
}
/** A URL, or the path of one, as messages may show it: its query may hold a key, and its login is one. */
function shownUrl(url) {
    return url.replace(/([?#]).*$/s, '$1…').replace(/^([a-z]+:)?\/\/[^/]*@/i, '$1//');
}
function aboutStatus(status, location, body) {
    if (status >= 300 && status < 400) {
        const to = location === undefined ? '' : ` to ${shownUrl(location.slice(0, 200))}`;
        return `answers ${status}, a redirect${to}; only 2xx is healthy, and no redirect is followed`;
    }
    const text = Buffer.concat(body).toString('utf8').replace(/\s+/g, ' ').trim();
    const told = text.length > TOLD ? text.slice(0, TOLD).replace(/ [^ ]*$/, ' …') : text;
    return `answers ${status}${told === '' ? ' with an empty body' : `: ${told}`}`;
}
function aboutError(code) {
    switch (code) {
        case 'ECONNREFUSED':
            return `refuses connections (${code})`;
        case 'ECONNRESET':
        case 'EPIPE':
            return `closed the connection without an answer (${code})`;
        case 'ENOTFOUND':
        case 'EAI_AGAIN':
            return `has a name that cannot be resolved on the server itself (${code})`;
        case 'ERR_TLS_CERT_ALTNAME_INVALID':
            return `has a certificate for another name (${code}): use the name in the certificate, or ask the app itself over http`;
        case 'CERT_HAS_EXPIRED':
            return `has a certificate that has expired (${code})`;
        case 'EPROTO':
        case 'ERR_SSL_WRONG_VERSION_NUMBER':
        case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
            return `does not speak TLS (${code}): write http://`;
    }
    if (/CERT|SIGNATURE/.test(code))
        return `has a certificate that this server does not trust (${code}): ask the app itself over http, or export NODE_EXTRA_CA_CERTS with the file of its authority in \`shell-init\``;
    return code.startsWith('HPE_') ? `does not answer in HTTP (${code})` : `cannot be asked (${code})`;
}

;// CONCATENATED MODULE: ./host/health/verify.js






const POLL_EVERY = 200;
/** As long as it is not healthy: the deploy goes on within 150 ms after an instance says that it is ready. */
const LOOK_EVERY = 100;
/** Who waits hears how far it is, in milliseconds. */
const TELL_EVERY = 5_000;
/** On the host itself a slower answer is not healthy. In milliseconds. */
const ACCEPTS_WITHIN = 2_000;
/** How long an app that was healthy may be unhealthy, in milliseconds. */
const STAYS_BAD = 5_000;
/** Looks at everything that health depends on, once. */
async function observe(pm2, { instances, ports, healthUrl, elsewhere, }, thrown = []) {
    const asked = healthUrl ? complaintAbout(healthUrl) : null;
    const [all, accepting, complaint] = await Promise.all([pm2.list(), acceptingPorts(ports), asked]);
    const started = new Map();
    for (const { pid } of all) {
        const ticks = pid > 0 ? startTicks(pid) : null;
        if (ticks !== null)
            started.set(pid, ticks);
    }
    const own = all.filter((one) => instances[one.name] !== undefined);
    return {
        at: Date.now(),
        instances: own,
        startTicks: started,
        directories: elsewhere === null ? new Map() : directoriesOf(own),
        orphans: orphansOf(pm2, all),
        accepting,
        thrown,
        complaint,
    };
}
/** Where these and what they have started stand: npm and bash start the app as a process of its own. */
function directoriesOf(instances) {
    const running = instances.filter(({ pid }) => pid > 0);
    return new Map(running.map(({ pid }) => [pid, [pid, ...descendantsOf(pid)].map(directoryOf)]));
}
/** Of these ports, those that take a connection at an address of this host. */
async function acceptingPorts(ports) {
    const accepting = await Promise.all(ports.map(async (port) => (await accepts(port, '::', ACCEPTS_WITHIN)) || acceptsElsewhere(port)));
    return new Set(ports.filter((_, index) => accepting[index]));
}
/** An app may listen on one address alone, which is not loopback. */
async function acceptsElsewhere(port) {
    const addresses = listeningAddresses(port);
    const accepting = await Promise.all(addresses.map((address) => accepts(port, address, ACCEPTS_WITHIN)));
    return accepting.includes(true);
}
/**
 * Workers that the daemon has started and does not list. Not each child of it is one: PM2 7 runs `df` every 30 s, and in
 * a container the daemon may be the first process, which becomes the parent of all that lose theirs.
 */
function orphansOf({ daemonPid }, all) {
    const daemon = daemonPid();
    if (daemon === null)
        return [];
    const listed = new Set(all.map(({ pid }) => pid));
    return childrenOf(daemon).filter((pid) => !listed.has(pid) && isWorker(pid));
}
/** Whether PM2 started the process as an app, by the variables that it gives one in fork mode, or in cluster mode. */
function isWorker(pid) {
    const variables = environmentOf(pid);
    return variables.has('pm_id') || variables.has('pm2_env');
}
/**
 * Resolves once everything expected held for `stableFor` milliseconds without a break; rejects as `untilStable` does.
 * `listener` has heard the apps since before they were started.
 */
async function verify(pm2, expected, limits, { listener = null, tell = () => { } } = {}) {
    const first = await observe(pm2, expected);
    let since = afterPlannedRestarts(first, first);
    await untilStable(async () => {
        const now = await observe(pm2, expected, listener?.thrown(expected.deployId));
        const verdict = judge(expected, now, since);
        since = afterPlannedRestarts(since, now);
        return verdict;
    }, limits, { tell });
}
/**
 * Resolves once `look` said `healthy` for `stableFor` milliseconds without a break. Rejects with a `DeployFailure` at the
 * first thing that cannot heal, where health was there and stays away, when `healthTimeout` milliseconds pass before such
 * a time begins, and with its reason when `cancelled`.
 */
async function untilStable(look, { healthTimeout, stableFor }, { cancelled = null, tell = () => { }, every = TELL_EVERY } = {}) {
    const deadline = performance.now() + healthTimeout;
    let told = performance.now();
    let healthySince = null;
    let turnedBad = null;
    for (;;) {
        const verdict = await look();
        if (cancelled?.aborted)
            throw cancelled.reason;
        const at = performance.now();
        if (verdict.kind === 'healthy') {
            turnedBad = null;
            healthySince ??= at;
            if (at - healthySince >= stableFor)
                return;
        }
        else {
            if (verdict.kind === 'broken')
                throw new DeployFailure(`${verify_sentence(verdict.why)}.`);
            if (healthySince !== null)
                turnedBad ??= at;
            // A restart by a clock is no break, unless it does not come to its end.
            if (!verdict.planned)
                healthySince = null;
            if (turnedBad !== null && at - turnedBad >= STAYS_BAD) {
                throw new DeployFailure(`It was healthy, then unhealthy for ${STAYS_BAD / 1000} s: ${verdict.why}.`);
            }
            if (healthySince === null && at >= deadline) {
                throw new DeployFailure(`Not healthy within ${Math.round(healthTimeout / 1000)} s (health-timeout): ${verdict.why}.`);
            }
        }
        if (at - told >= every) {
            told = at;
            tell(progressOf(verdict, at - (healthySince ?? at), stableFor));
        }
        const wait = healthySince === null ? LOOK_EVERY : Math.min(POLL_EVERY, stableFor - (at - healthySince));
        await (0,promises_namespaceObject.setTimeout)(wait, undefined, cancelled === null ? {} : { signal: cancelled }).catch(() => { });
    }
}
/** How far a wait for health is, in a few words. */
function progressOf(verdict, healthyFor, stableFor) {
    if (verdict.kind !== 'healthy')
        return `not healthy yet: ${verdict.why}`;
    return `${Math.round(healthyFor / 1000)} of ${Math.round(stableFor / 1000)} s healthy`;
}
function verify_sentence(text) {
    return text.charAt(0).toUpperCase() + text.slice(1);
}

;// CONCATENATED MODULE: ./host/health/baseline.js





/** What PM2 runs of the apps of these names now, and how to bring it back. */
async function readBaseline(pm2, names) {
    const all = await pm2.list();
    const instances = all.filter(({ name, module }) => names.includes(name) && !module);
    const counts = {};
    for (const one of instances) {
        const { total, online } = counts[one.name] ?? { total: 0, online: 0 };
        const well = one.status === 'online' || endedWell(one);
        counts[one.name] = { total: total + 1, online: online + (well ? 1 : 0) };
    }
    const accepting = await acceptingPorts(portsOf(pm2, instances, all));
    const before = {
        apps: baselineConfig(instances),
        counts,
        ports: [...accepting].sort((a, b) => a - b),
        orphans: orphansOf(pm2, all),
        preloads: Object.fromEntries(instances.flatMap(({ name, preload }) => (preload === null ? [] : [[name, preload]]))),
        healthUrl: null,
    };
    return { instances, before };
}
/** Instances that must be online, by app. */
function expectedCounts(config) {
    return Object.fromEntries(config.map((app) => [app.name, expectedInstances(app).count]));
}

;// CONCATENATED MODULE: ./host/health/health-target.js




/** Requests the health URL before anything is changed. Throws a `DeployFailure` if its port is not known. */
async function healthTargets({ plan, log }, config, before) {
    if (plan.healthUrl === null)
        return { now: null, before: null };
    const now = healthTarget(plan.healthUrl, config, plan.pm2Env, expectedPorts(config, plan.pm2Env, before));
    const old = absoluteUrl(plan.healthUrl, before.ports, declaredPorts(before.apps, null));
    if (old === null || before.apps.length === 0)
        return { now, before: null };
    const complaint = await complaintAbout(old);
    if (complaint === null)
        return { now, before: old };
    inform(log, `Before the deploy, ${complaint}. After a rollback it need not be better than that.`);
    return { now, before: null };
}
/** The absolute form of `health-url` for apps that accept connections on these ports. */
function healthTarget(given, apps, pm2Env, ports) {
    const url = absoluteUrl(given, ports, declaredPorts(apps, pm2Env));
    if (url !== null)
        return url;
    throw new DeployFailure(`\`health-url\` is the path ${shownUrl(given)}, and the app's port is not known: ${ports.length === 0
        ? 'its environment has no PORT, and it listened nowhere'
        : `it has ${ports.join(', ')}`}.`, { remedy: `Write the port before the path, such as :${ports[0] ?? 3000}${shownUrl(given)}.` });
}

;// CONCATENATED MODULE: ./host/swap/remove-unknown.js


/** Removes from staging what the version does not have: links, and what a canary wrote there. No link is followed. */
function removeUnknown(staging, version) {
    const visit = (directory, known) => {
        for (const entry of (0,external_node_fs_namespaceObject.readdirSync)((0,external_node_path_namespaceObject.join)(staging, directory), { withFileTypes: true })) {
            if (directory === '' && entry.name === '.git')
                continue;
            const path = (0,external_node_path_namespaceObject.join)(directory, entry.name);
            const there = known.entries.get(entry.name);
            const same = there !== undefined && entry.isDirectory() === (there.kind === 'directory');
            if (!same)
                (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.join)(staging, path), { recursive: true, force: true });
            else if (there.kind === 'directory')
                visit(path, there);
        }
    };
    visit('', version);
}

;// CONCATENATED MODULE: ./host/canary/config.js





/** Carries the app's directory in the environment of its canaries: a later deploy knows by it what to remove. */
const CANARY_OF = 'PM2_SSH_DEPLOY_CANARY';
/** Settings under all the names that PM2 takes, which a canary has otherwise or not at all. */
const NOT_ITS_OWN = new Set([
    ...['cron_restart', 'cron', 'watch', 'max_memory_restart', 'exp_backoff_restart_delay', 'restart_delay'],
    ...['stop_exit_codes', 'log_file', 'log', 'disable_logs', 'post_update', 'instances', 'autostart'],
    ...['out_file', 'out', 'output', 'out_log', 'error_file', 'error', 'err', 'err_file', 'err_log'],
    ...['pid_file', 'pid', 'merge_logs', 'combine_logs', 'node_args', 'interpreterArgs', 'interpreter_args'],
]);
const RUNS_NODE = /^(node(@.*)?|tsx|ts-node|ts-node-esm|ts-node-script)$/;
/** Why an app cannot have a canary, not even a required one, as the end of a sentence. Null if it can. */
function whyImpossible(app, live) {
    if (!isWithin(live, app.cwd))
        return `it runs outside of ${live}, in ${app.cwd}`;
    if ([app.uid, app.user, app.gid].some((value) => value !== undefined && value !== null))
        return 'it runs as another user (uid, gid), who may not read what a canary needs';
    return isStartedByNode(app) ? null : 'Node does not start it, so its port cannot be moved';
}
function isStartedByNode(app) {
    const script = (scriptOf(app) ?? '').trim();
    const [program = ''] = script.split(/\s+/);
    if (launcherIn(program) !== null)
        return true;
    // PM2 hands a command line to bash.
    if (script.includes(' '))
        return RUNS_NODE.test((0,external_node_path_namespaceObject.basename)(program));
    const interpreter = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
    if (typeof interpreter === 'string' && interpreter !== '')
        return RUNS_NODE.test((0,external_node_path_namespaceObject.basename)(interpreter));
    return /\.([cm]?[jt]s|[jt]sx)$/.test(script) || !/\.[^/]*$/.test((0,external_node_path_namespaceObject.basename)(script));
}
/** One instance of the new version in staging, as PM2 gets it: under its own name, started once, not restarted. */
function canaryConfig(app, options) {
    const { name, top, live, staging, preload, files, pm2Env, inherited, runsNow } = options;
    const [moved = app] = moveApps([app], [live], staging);
    const kept = Object.entries(moved).filter(([key]) => !NOT_ITS_OWN.has(key) && key !== 'env' && !key.startsWith('env_'));
    const { mode } = expectedInstances(app);
    const env = {
        ...inherited,
        ...moved.env,
        ...moved[`env_${pm2Env}`],
        [CANARY_OF]: top,
    };
    // What runs in a cluster worker was decided before its environment counts; an npm hands on nothing but its environment.
    if (mode === 'fork')
        env.NODE_OPTIONS = `--require ${quoted(preload)} ${env.NODE_OPTIONS ?? ''}`.trim();
    return {
        ...Object.fromEntries(kept),
        name,
        cwd: moved.cwd,
        exec_mode: mode,
        instances: 1,
        autorestart: false,
        watch: false,
        merge_logs: true,
        out_file: `${files}-out.log`,
        error_file: `${files}-error.log`,
        pid_file: `${files}.pid`,
        node_args: [...(mode === 'cluster' ? ['--require', preload] : []), ...nodeArgumentsOf(moved)],
        env,
        // PM2 would add the variables of its caller. Every name contains the empty text, so this filter drops them all.
        ...(runsNow ? { filter_env: [''] } : {}),
    };
}
/** As Node reads NODE_OPTIONS. */
function quoted(text) {
    return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

;// CONCATENATED MODULE: ./host/canary/choice.js

/**
 * Which apps get a canary. Unless it is `required`, an app that listened nowhere before (a queue worker, a bot) gets none,
 * because two at once may do harm. An app that does not run yet gets none either: there is nothing to protect.
 */
function chooseCanaries(canary, apps, live, knownOf) {
    const choice = { chosen: [], without: [], impossible: [] };
    if (canary === 'off')
        return choice;
    for (const app of apps) {
        const known = knownOf(app);
        const impossible = whyImpossible(app, live);
        const why = canary === 'required' ? null : whyNone(known);
        if (canary === 'required' && impossible !== null)
            choice.impossible.push(`'${app.name}' can have no canary: ${impossible}.`);
        else if (why !== null)
            choice.without.push(`No canary for '${app.name}': ${why}.`);
        else if (impossible !== null)
            choice.without.push(`No canary for '${app.name}': ${impossible}.`);
        else {
            const ports = portsToAsk(known);
            choice.chosen.push({ app, ports, byChance: ports.filter((port) => isByChance(port, known)) });
        }
    }
    return choice;
}
function whyNone({ runs, ports, healthPort }) {
    if (!runs)
        return 'it does not run yet, so there is nothing to protect';
    if (ports.certain.length > 0)
        return null;
    if (ports.perhaps.length === 0)
        return 'it listened nowhere before, and two at once may do harm (canary: required starts one anyway)';
    if (healthPort !== null && ports.perhaps.includes(healthPort))
        return null;
    return `it is not certain which of the ports ${ports.perhaps.join(', ')} is its own. Set PORT in its env, or canary: required`;
}
/** Whether no setting names the port, and it is one that the kernel hands out. */
function isByChance(port, { oldPort, newPort, healthPort, freeRange }) {
    return ![oldPort, newPort, healthPort].includes(port) && port >= freeRange.first && port <= freeRange.last;
}
/** Where the live app listens; a PORT that changes with this version changes that too. */
function portsToAsk({ runs, ports, oldPort, newPort, healthPort }) {
    if (!runs)
        return newPort === null ? [] : [newPort];
    const asked = new Set(ports.certain);
    if (asked.size === 0 && healthPort !== null && ports.perhaps.includes(healthPort))
        asked.add(healthPort);
    // A port that the code or an env file named is given up for the first PORT in the settings, if it is the only one.
    const replaced = oldPort ?? (asked.size === 1 ? [...asked][0] : null) ?? null;
    if (newPort !== null && replaced !== null && asked.has(replaced)) {
        asked.delete(replaced);
        asked.add(newPort);
    }
    return [...asked].sort((a, b) => a - b);
}

;// CONCATENATED MODULE: ./host/canary/free-range.js

/** The ports that this host's kernel gives to whoever listens on port 0. */
function freeRange() {
    const [first, last] = (readIfThere('/proc/sys/net/ipv4/ip_local_port_range') ?? '').trim().split(/\s+/);
    // Linux's own, if /proc does not tell.
    return { first: Number(first) || 32_768, last: Number(last) || 60_999 };
}

;// CONCATENATED MODULE: ./host/canary/local-url.js

/** The port that a URL names on this host. Null if it names another host, as far as is known without a name server. */
function localPort(url) {
    if (url === null)
        return null;
    const { protocol, hostname: named, port } = new URL(url);
    const name = named.replace(/^\[|\]$/g, '');
    const own = Object.values((0,external_node_os_namespaceObject.networkInterfaces)()).flatMap((list) => (list ?? []).map(({ address }) => address));
    const isLocal = ['localhost', '0.0.0.0', '::', '::1', (0,external_node_os_namespaceObject.hostname)()].includes(name) ||
        /^127\.\d+\.\d+\.\d+$/.test(name) ||
        own.includes(name);
    if (!isLocal)
        return null;
    return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

;// CONCATENATED MODULE: ./host/health/error-log.js


/** Bytes that are read of one file, at most: its end. */
const error_log_READ = 256 * 1024;
/** Notes how long the error logs of these instances are now. */
function noteLogSizes(instances) {
    const notes = {};
    for (const path of error_log_pathsOf(instances)) {
        try {
            const stat = (0,external_node_fs_namespaceObject.statSync)(path);
            if (stat.isFile())
                notes[path] = { size: stat.size, inode: stat.ino };
        }
        catch {
            // Not there yet: all that it will hold is new.
        }
    }
    return notes;
}
/**
 * The last lines that were added to the error logs of `instances` since `notes`, at most `maxLines` over all files, each file
 * with its share. A file is whole where it is new, was cut or was rotated.
 */
function readAdded(notes, instances, maxLines) {
    const added = [...new Set(error_log_pathsOf(instances))]
        .map((path) => linesAdded(path, notes[path]))
        .filter((lines) => lines.length > 0);
    // Those with few lines first, so that what they leave of their share goes to the others.
    const order = [...added].sort((a, b) => a.length - b.length);
    const shares = new Map();
    let left = maxLines;
    order.forEach((lines, at) => {
        const share = Math.min(lines.length, Math.floor(left / (order.length - at)));
        shares.set(lines, share);
        left -= share;
    });
    return added.flatMap((lines) => lines.slice(lines.length - (shares.get(lines) ?? 0)));
}
/** The last lines of these files together, each with its share. */
function lastLines(paths, maxLines) {
    return readAdded({}, paths.map((errLogPath) => ({ errLogPath })), maxLines);
}
function linesAdded(path, note) {
    let file;
    try {
        // A named pipe would wait for a writer for ever.
        if (!(0,external_node_fs_namespaceObject.statSync)(path).isFile())
            return [];
        file = (0,external_node_fs_namespaceObject.openSync)(path, 'r');
    }
    catch {
        return [];
    }
    try {
        const { size, ino } = (0,external_node_fs_namespaceObject.fstatSync)(file);
        const from = note && note.inode === ino && note.size <= size ? note.size : 0;
        const start = Math.max(from, size - error_log_READ);
        const bytes = Buffer.alloc(size - start);
        const read = (0,external_node_fs_namespaceObject.readSync)(file, bytes, 0, bytes.length, start);
        const lines = [];
        const splitter = new LineSplitter((line) => lines.push(line));
        splitter.write(bytes.subarray(0, read));
        splitter.end();
        // The first of a cut text is the rest of a line.
        return (start > from ? lines.slice(1) : lines).filter((line) => line.trim() !== '');
    }
    catch {
        return [];
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(file);
    }
}
function error_log_pathsOf(instances) {
    return new Set(instances.flatMap(({ errLogPath }) => errLogPath ?? []));
}

;// CONCATENATED MODULE: ./host/health/expectation.js





/** What the new version must show to count as healthy. */
function expectationOf(transaction) {
    const { swapped, before, deployId, config, pm2Env, healthUrl, swap } = transaction;
    if (swapped === null)
        throw new Error('a version that was not swapped in cannot be judged');
    return {
        deployId,
        instances: expectedCounts(config),
        ports: expectedPorts(config, pm2Env, before),
        after: ticksOf(swapped),
        knownOrphans: before.orphans,
        healthUrl,
        elsewhere: swap.layout === 'in-place' ? null : outsideOf(swap.staging, (0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.dirname)(swap.staging))),
    };
}
/** For the version at `release`, of an app with these places; see `outsideOf`. */
function elsewhereOf(release, { top, live }) {
    return live === top ? null : outsideOf(release, top);
}
/**
 * All of the app's directory but this version's own, and what all versions share. In place the old version's files are gone from
 * where the new one's are: where a process stands tells nothing there.
 */
function outsideOf(release, top) {
    return { directory: top, but: [release, sharedIn(top)] };
}

;// CONCATENATED MODULE: ./host/pm2/daemon-log.js
/** PM2's own lines in its log. */
const OWN = /^(?:[^ ]+ )?PM2 +(?:log|error)?: |^\[PM2\]|^\d{4}-\d\d-\d\dT[\d:.]+: PM2/;
const EXITED = /App \[(.*):([^\]:]+)\] exited with code/;
/**
 * What processes of these apps wrote into the log of PM2's daemon, by name: the last words of a cluster worker that ends
 * before PM2 has hold of its output (an `--import` that is not found), and of what npm starts in cluster mode.
 * PM2 writes its own line as a process exits: what stands above that line is taken for the words of this process.
 */
function wordsInDaemonLog(lines, names) {
    const found = new Map();
    let unclaimed = [];
    for (const line of lines) {
        const [, name = '', pmId = ''] = EXITED.exec(line) ?? [];
        if (!OWN.test(line))
            unclaimed.push(line);
        else if (name !== '') {
            // A process that was replaced has nothing to say of the version that replaced it.
            if (unclaimed.length > 0 && names.includes(name) && !pmId.startsWith('_old_'))
                found.set(name, unclaimed);
            unclaimed = [];
        }
    }
    return found;
}

;// CONCATENATED MODULE: ./host/health/last-words.js




const MOST_LINES = 30;
/** PM2 hands on with some delay what an app printed as it died, in milliseconds. */
const LATE = 250;
/** `instances` are those that run already: what their log files hold now is not theirs to say again. */
function listenTo(pm2, names, instances) {
    const daemonLog = { name: '', errLogPath: (0,external_node_path_namespaceObject.join)(pm2.home, 'pm2.log') };
    const notes = noteLogSizes([...instances, daemonLog]);
    const stream = pm2.hearLives(names);
    return {
        async words(deployId, until) {
            await (0,promises_namespaceObject.setTimeout)(Math.max(0, until + LATE - performance.now()));
            const heard = lastWords(stream.lives(), deployId, until);
            const inDaemonLog = wordsInDaemonLog(readAdded(notes, [daemonLog], Number.POSITIVE_INFINITY), names);
            for (const [app, lines] of inDaemonLog) {
                const known = heard.find((one) => one.app === app);
                if (known === undefined)
                    heard.push({ app, lines });
                else
                    known.lines.push(...lines);
            }
            return bounded(heard.length > 0 ? heard : await inLogFiles());
        },
        thrown: (deployId) => stream
            .lives()
            .filter((life) => isOf(life, deployId) && life.ended === null)
            .flatMap(({ name, pmId, thrown }) => thrown === null ? [] : `'${name}' (pm2 id ${pmId}) threw an error that nothing caught (${thrown})`),
        close: stream.close,
    };
    async function inLogFiles() {
        const all = await pm2.list().catch(() => []);
        return names.flatMap((app) => {
            const own = [...instances, ...all].filter(({ name }) => name === app);
            const lines = readAdded(notes, own, MOST_LINES);
            return lines.length > 0 ? [{ app, lines }] : [];
        });
    }
}
/**
 * Of what was heard, the words of this version's processes that began before it failed, at `until`. If some of them had
 * died by then, only the last one of each app that had: what others print is no cause. One that dies later may have found
 * the files of another version already.
 */
function lastWords(lives, deployId, until) {
    const own = lives
        .filter((life) => isOf(life, deployId) && life.began <= until)
        .map((life) => {
        const died = life.ended !== null && life.ended <= until + LATE ? life.ended : null;
        // What one that lives on says later may be of the files that are back.
        const last = died === null ? until : until + LATE;
        return {
            name: life.name,
            died,
            said: life.lines.filter(({ at }) => at <= last).map(({ text }) => text),
        };
    })
        .filter(({ said }) => said.length > 0);
    const dead = own.filter(({ died }) => died !== null);
    const inTime = dead.filter(({ died }) => died !== null && died <= until);
    const telling = [inTime, dead, own].find((some) => some.length > 0) ?? [];
    return [...new Map(telling.map(({ name, said }) => [name, said]))].map(([app, lines]) => ({ app, lines }));
}
function isOf({ deployId: of, isNew, pmId }, deployId) {
    if (pmId.startsWith('_old_'))
        return false;
    // PM2 names the deploy of a new process only once that is ready, or dead.
    return of === deployId || (of === null && isNew);
}
function bounded(words) {
    const share = Math.max(1, Math.floor(MOST_LINES / Math.max(1, words.length)));
    return words.map(({ app, lines }) => ({ app, lines: lines.slice(-share) }));
}

;// CONCATENATED MODULE: ./host/pm2/timeouts.js
/** PM2's own, in milliseconds. */
const LISTEN_TIMEOUT = 3_000;
const KILL_TIMEOUT = 1_600;
/** How long PM2 waits for a new instance of an app to get ready, in milliseconds. */
function listenTimeoutOf(app) {
    return milliseconds(app.listen_timeout, LISTEN_TIMEOUT);
}
/** How long PM2 will wait for an instance that runs by this config to end before it kills it, in milliseconds. */
function killTimeoutIn(app) {
    return milliseconds(app.kill_timeout, KILL_TIMEOUT);
}
/** How long PM2 waits for an instance to end before it kills it, in milliseconds. */
function killTimeoutOf({ killTimeout }) {
    return killTimeout ?? KILL_TIMEOUT;
}
function milliseconds(value, byDefault) {
    const given = typeof value === 'string' ? Number(value) : value;
    return typeof given === 'number' && given > 0 ? given : byDefault;
}

;// CONCATENATED MODULE: ./host/pm2/whole-reload.js
/**
 * Loaded into PM2's command before its own code, a text so that no bundler changes it. PM2's reload leaves script, cwd,
 * log files, interpreter and whatever was taken out of a config as they were, yet its daemon applies every setting that
 * it is sent: this adds those that a fresh start would give, worked out by PM2's own functions, and has instances
 * replaced one at a time. The config file holds, beside `apps`, `whole`: PM2's directory, for each app the variables that
 * are to go, by id the number of an instance's log files, and the one id that is to be touched, or null for all.
 */
const WHOLE_RELOAD = `
'use strict';
const fs = require('fs');
const path = require('path');
const { apps, whole } = JSON.parse(fs.readFileSync(path.join(__dirname, 'pm2-ssh-deploy.json'), 'utf8'));
const load = (file) => require(path.join(whole.pm2Root, file));

// Read once, and not to reach any app.
process.env.PM2_CONCURRENT_ACTIONS = '1';
load('constants.js');
delete process.env.PM2_CONCURRENT_ACTIONS;

const Client = load('lib/Client.js');
const Common = load('lib/Common.js');
const settings = Object.keys(load('lib/API/schema.json')).filter((name) => /^\\w+$/.test(name));
const RESOLVED = ['pm_exec_path', 'pm_cwd', 'exec_interpreter', 'node_args', 'args'];
const FILES = ['pm_log_path', 'pm_out_log_path', 'pm_err_log_path', 'pm_pid_path'];
// The daemon removes a field that is given so.
const GONE = 'null';

const extras = new Map();
function extrasOf(conf) {
  const known = extras.get(conf.name);
  if (known) return known;
  const { exec_mode } = apps.find(({ name }) => name === conf.name) || {};
  const fresh = Common.resolveAppAttributes(
    { cwd: process.cwd(), pm2_home: process.env.PM2_HOME },
    { ...conf, ...(exec_mode ? { exec_mode } : {}), env: {} },
  );
  const found = {};
  for (const name of settings) if (fresh[name] === undefined) found[name] = GONE;
  for (const name of [...RESOLVED, ...FILES]) found[name] = fresh[name] === undefined ? GONE : fresh[name];
  for (const name of whole.removed[conf.name] || []) found[name] = GONE;
  if (conf.cwd && !('PWD' in conf.env)) found.PWD = conf.cwd;
  extras.set(conf.name, found);
  return found;
}

/** Each instance has files of its own, as the daemon names them when it starts one. A successor goes on with the log. */
function numbered(file, id, merged) {
  if (file === GONE) return file;
  const own = file.replace(/(-[0-9]+)?\\.pid$/, '-' + id + '.pid');
  const log = whole.logs[id] === undefined ? id : whole.logs[id];
  return merged ? own : own.replace(/(-[0-9]+)?\\.log$/, '-' + log + '.log');
}

const call = Client.prototype.executeRemote;
Client.prototype.executeRemote = function executeRemote(method, given, done) {
  if (method !== 'reloadProcessId') return call.call(this, method, given, done);
  if (whole.only !== null && given.id !== whole.only) return done(null, []);
  const conf = given.env.current_conf;
  const added = { ...extrasOf(conf) };
  for (const name of FILES) added[name] = numbered(added[name], given.id, conf.merge_logs);
  return call.call(this, method, { ...given, env: { ...given.env, current_conf: { ...conf, ...added } } }, done);
};
`;

;// CONCATENATED MODULE: ./host/pm2/cli.js







/** PM2 tells what a config is by a `.json` anywhere in its path. */
const cli_CONFIG = 'pm2-ssh-deploy.json';
/** For the CLI's start, the daemon's, and a slow host: this limit is only against a hang. */
const MARGIN = 30_000;
/**
 * Has PM2 start the apps, or reload those that it runs: one config of ours, all apps in it, and no name on the command
 * line. After a reload an app is as a fresh start would make it, but for the number of its instances and their mode.
 */
function startOrReload(options) {
    const { pm2, node, apps, removed, pm2Env, only, running, pm2Home, env, dir, cwd, holds, onLine } = options;
    const config = (0,external_node_path_namespaceObject.join)(dir, cli_CONFIG);
    const hook = (0,external_node_path_namespaceObject.join)(dir, 'pm2-ssh-deploy-reload.js');
    const abort = new AbortController();
    const go = async () => {
        for (const file of [config, hook])
            (0,external_node_fs_namespaceObject.rmSync)(file, { force: true });
        const logs = Object.fromEntries(running.map((one) => [one.pmId, logNumber(one)]));
        const whole = { pm2Root: pm2.root, removed, logs, only: only ?? null };
        (0,external_node_fs_namespaceObject.writeFileSync)(config, JSON.stringify({ apps, whole }), { mode: 0o600, flag: 'wx' });
        (0,external_node_fs_namespaceObject.writeFileSync)(hook, WHOLE_RELOAD, { mode: 0o600, flag: 'wx' });
        try {
            return await run(node, [
                ...['--require', hook, pm2.bin, 'startOrReload', config, '--no-color'],
                ...(pm2Env === null ? [] : ['--env', pm2Env]),
            ], {
                cwd,
                // Without the latter a first daemon looks up PM2's newest version, which takes 10 s where there is no DNS.
                env: { ...env, PM2_HOME: pm2Home, PM2_DISCRETE_MODE: 'true' },
                timeLimit: reloadTimeLimit(apps, running, pm2.version),
                cancel: abort.signal,
                ...(holds === undefined ? {} : { holds }),
                ...(onLine === undefined ? {} : { onLine }),
            });
        }
        finally {
            for (const file of [config, hook])
                (0,external_node_fs_namespaceObject.rmSync)(file, { force: true });
        }
    };
    return { done: go(), abort: () => abort.abort() };
}
/** Whether these are the arguments of a command that `startOrReload` has started. */
function isStartOrReload(argv) {
    const config = argv[argv.indexOf('startOrReload') + 1] ?? '';
    return argv.includes('startOrReload') && (0,external_node_path_namespaceObject.basename)(config) === cli_CONFIG;
}
/** PM2 numbers log files by its id when it starts an app; an instance that took over from another has the other's. */
function logNumber({ pmId, outLogPath, errLogPath }) {
    const [, number] = /-(\d+)\.log$/.exec(outLogPath ?? '') ?? /-(\d+)\.log$/.exec(errLogPath ?? '') ?? [];
    return number === undefined ? pmId : Number(number);
}
/**
 * How long a `startOrReload` may take, in milliseconds, with every instance as slow as its own limits let it be.
 * PM2 before 7 waits for `listen_timeout` twice where an app has `wait_ready`.
 */
function reloadTimeLimit(apps, running, pm2Version) {
    return apps.reduce((sum, app) => {
        const now = running.filter(({ name }) => name === app.name);
        const count = Math.max(now.length, expectedInstances(app).count);
        return sum + count * swapTimeLimit(app, now, pm2Version);
    }, MARGIN);
}
/** How long PM2 may take to replace one instance of an app, in milliseconds. */
function swapTimeLimit(app, running, pm2Version) {
    // The old instances are killed by their own limit, the new ones' may differ.
    const kill = Math.max(killTimeoutIn(app), ...running.map((one) => one.killTimeout ?? 0));
    return readyTimeLimit(app, pm2Version) + kill;
}
/** How long PM2 waits for a new instance before it ends the old one, in milliseconds. */
function readyTimeLimit(app, pm2Version) {
    const waits = Number.parseInt(pm2Version, 10) < 7 && app.wait_ready === true ? 2 : 1;
    return waits * listenTimeoutOf(app);
}
/** PM2's command ends with 0 even where apps fail: any other end means that it did not do its work at all. */
function reloadFailure(result) {
    const how = result.stopped !== null
        ? 'did not end in time and was stopped'
        : `ended with ${result.code === null ? result.signal : `exit code ${result.code}`}`;
    return new DeployFailure(`PM2's command ${how}.`, { output: result.tail });
}

;// CONCATENATED MODULE: ./host/canary/preload.js


/**
 * The text of a CommonJS file that Node is to load before a canary's own code. No visitor reaches the canary: each of its
 * servers listens on 127.0.0.1 at a free port that it shares with nobody, and says so in the file `report`.
 * `variables` are set anew there, since PM2 gives the canary the first instance's number and a name of its own.
 * Never fails, whatever the app does.
 */
function preloadText(report, variables) {
    return `'use strict';
const fs = require('fs');
const { Server } = require('net');
const variables = ${JSON.stringify(variables)};
Object.assign(process.env, variables);
// In a cluster worker PM2 sets the environment from this, once the preload has run.
try {
  const { pm2_env } = process.env;
  if (pm2_env) process.env.pm2_env = JSON.stringify({ ...JSON.parse(pm2_env), ...variables });
} catch {}
let file = null;
try { file = fs.openSync(${JSON.stringify(report)}, 'a'); } catch {}
const tell = (what) => {
  try { fs.writeSync(file, JSON.stringify({ ...what, ms: Math.round(process.uptime() * 1000) }) + '\\n'); } catch {}
};
const portIn = (value) => {
  if (value === undefined || value === null || typeof value === 'function') return 0;
  const port = typeof value === 'string' && value.trim() === '' ? NaN : Number(value);
  return Number.isInteger(port) && port >= 0 && port < 65536 ? port : null;
};
const listen = Server.prototype.listen;
Server.prototype.listen = function (...args) {
  const given = args[0];
  const isObject = typeof given === 'object' && given !== null;
  // A handle that is open already cannot be moved.
  if (isObject && (given.fd !== undefined || given._handle !== undefined || typeof given.close === 'function')) {
    return listen.apply(this, args);
  }
  const port = isObject && given.path !== undefined ? null : portIn(isObject ? given.port : given);
  this.once('listening', () => {
    const address = this.address();
    if (address !== null && typeof address === 'object') tell({ port, at: address.port });
  });
  const last = args[args.length - 1];
  const options = { port: 0, host: '127.0.0.1', exclusive: true };
  if (isObject && given.signal !== undefined) options.signal = given.signal;
  return listen.call(this, options, ...(typeof last === 'function' ? [last] : []));
};
if (typeof process.send === 'function') {
  const send = process.send;
  process.send = function (message, ...rest) {
    if (message === 'ready') tell({ ready: true });
    return send.call(this, message, ...rest);
  };
}
`;
}
/** Reads what a canary has told. The app can write there too: a line that is not ours is passed over. */
function readReport(file) {
    const report = { listens: [], readyMs: null };
    const lines = (readIfThere(file) ?? '').split('\n').slice(0, -1);
    for (const line of lines) {
        const { port = null, at, ms, ready } = objectIn(line) ?? {};
        if (typeof ms !== 'number')
            continue;
        if (ready === true)
            report.readyMs ??= ms;
        else if (typeof at === 'number' && (port === null || typeof port === 'number'))
            report.listens.push({ port, at, ms });
    }
    return report;
}

;// CONCATENATED MODULE: ./host/canary/watch.js









/** On the host itself a slower answer is not healthy. In milliseconds. */
const watch_ACCEPTS_WITHIN = 2_000;
/** Looks at all canaries once. The first one that is not healthy decides. */
function lookAt(pm2, canaries, healthUrl, heard) {
    const first = new Map();
    return async () => {
        const ended = heard.startEnded();
        const list = await pm2.list();
        const verdicts = await Promise.all(canaries.map(async (canary) => {
            const found = list.find(({ name }) => name === canary.name);
            if (found === undefined) {
                const why = `PM2 does not list '${canary.title}'`;
                return ended ? { kind: 'broken', why } : { kind: 'pending', why, planned: false };
            }
            const one = { ...found, name: canary.title };
            if (one.pid > 0 && !first.has(canary.name))
                first.set(canary.name, one);
            const alone = judgeAlone(canary, one, first.get(canary.name) ?? one);
            if (alone.kind === 'broken')
                return alone;
            // What it does not answer tells more than PM2's word for it.
            const answer = await answers(canary, healthUrl);
            if (answer.kind === 'healthy')
                return alone;
            // A boot that ends in a rejection never listens, so there is no point in waiting.
            const thrown = heard.thrown().find((sentence) => sentence.startsWith(`'${canary.name}'`));
            const deaf = deafOn(canary);
            if (thrown === undefined || deaf === null)
                return answer;
            return { kind: 'broken', why: `${thrown.replace(canary.name, canary.title)}, and it ${deaf}` };
        }));
        return (verdicts.find(({ kind }) => kind === 'broken') ??
            verdicts.find(({ kind }) => kind === 'pending') ?? { kind: 'healthy' });
    };
}
function judgeAlone(canary, one, then) {
    const ticks = one.pid > 0 ? startTicks(one.pid) : null;
    // PM2 6 keeps `online` for a process that has ended and is not restarted.
    if (['stopped', 'errored'].includes(one.status) || (one.status === 'online' && ticks === null)) {
        const { app, ports, title } = canary;
        if (endsByItself(app) && ports.length === 0 && endedWell(one))
            return { kind: 'healthy' };
        const code = one.exitCode ? ` with exit code ${one.exitCode}` : '';
        return { kind: 'broken', why: `the process of '${title}' has ended${code}` };
    }
    const { elsewhere } = canary;
    const empty = { at: Date.now(), thrown: [], orphans: [], accepting: new Set(), complaint: null };
    return judge({
        deployId: String(canary.config.env[DEPLOY_ID]),
        instances: { [canary.title]: 1 },
        ports: [],
        after: null,
        knownOrphans: [],
        healthUrl: null,
        elsewhere,
    }, {
        ...empty,
        instances: [one],
        startTicks: new Map(ticks === null ? [] : [[one.pid, ticks]]),
        directories: elsewhere === null ? new Map() : directoriesOf([one]),
    }, { ...empty, instances: [then], startTicks: new Map(), directories: new Map() });
}
/** Where a canary listens in place of this port, as its report tells; undefined if it does not. */
function listenerFor({ byChance }, port, { listens }) {
    const wanted = byChance.includes(port) ? [port, 0] : [port];
    return [...listens].reverse().find((listen) => wanted.includes(listen.port ?? -1));
}
function doesNotListen(title, port, { listens }) {
    const why = `'${title}' does not listen on port ${port}`;
    if (listens.length === 0)
        return why;
    const elsewhere = listens.map(({ port }) => port || (port === 0 ? 'any free port' : 'a socket')).join(', ');
    const [{ port: other } = { port: null }] = listens;
    const move = other
        ? `. If its port has changed, set "PORT: ${other}" in the env of the ecosystem file`
        : '';
    return `${why} but on ${elsewhere}${listens.length === 1 ? move : ''}`;
}
/** Where a canary does not listen and has to, after "it"; null if it listens wherever it has to. */
function deafOn(canary) {
    const report = readReport(canary.report);
    if (report.listens.length === 0)
        return 'listens nowhere';
    const missing = canary.ports.find((port) => listenerFor(canary, port, report) === undefined);
    return missing === undefined ? null : `does not listen on port ${missing}`;
}
async function answers(canary, healthUrl) {
    const { title, ports, report } = canary;
    const told = readReport(report);
    const asked = localPort(healthUrl);
    for (const port of ports) {
        const there = listenerFor(canary, port, told);
        if (there === undefined)
            return { kind: 'pending', why: doesNotListen(title, port, told), planned: false };
        if (!(await accepts(there.at, '127.0.0.1', watch_ACCEPTS_WITHIN)))
            return { kind: 'pending', why: `'${title}' accepts no connections on port ${port}`, planned: false };
        const complaint = healthUrl !== null && asked === port ? await complaintAbout(healthUrl, { at: there.at }) : null;
        if (complaint !== null)
            return { kind: 'pending', why: `'${title}': ${complaint}`, planned: false };
    }
    return { kind: 'healthy' };
}

;// CONCATENATED MODULE: ./host/canary/run.js















/** How long an app took until PM2 would have gone on, in milliseconds; null if it never gave that sign. */
function bootTime(app, { readyMs, listenMs }) {
    return app.wait_ready === true ? readyMs : listenMs;
}
const LOG_LINES = 30;
/**
 * Boots one instance of each chosen app of the version in staging, beside the live ones and out of reach of every visitor,
 * and resolves once all of them were healthy for `stable-for`; rejects with a `DeployFailure` where they are not. Either
 * way nothing of them is left.
 */
async function tryCanaries(context, trial) {
    const { pm2, plan, runner } = context;
    const canaries = trial.chosen.map((chosen, at) => prepare(context, trial, chosen, at));
    const listener = listenTo(pm2, canaries.map(({ name }) => name), []);
    const apps = canaries.map(({ config }) => config);
    const command = pm2.startOrReload({ apps, removed: {}, pm2Env: null }, [], () => { });
    let ended = false;
    // Where it fails, the look that comes next tells.
    const done = command.done.finally(() => {
        ended = true;
    });
    done.catch(() => { });
    let failed = true;
    try {
        const asked = canaries.filter(({ ports }) => ports.includes(localPort(trial.healthUrl) ?? -1));
        if (trial.healthUrl !== null && asked.length === 0)
            inform(context.log, `The canary is not asked for health-url: ${shownUrl(trial.healthUrl)} does not name its port on this host.`);
        await untilStable(lookAt(pm2, canaries, trial.healthUrl, {
            startEnded: () => ended,
            thrown: () => listener.thrown(plan.deployId),
        }), plan, { cancelled: runner.cancelled, tell: (text) => inform(context.log, text) });
        const result = await done;
        if (result.code !== 0)
            throw reloadFailure(result);
        if (trial.healthUrl === null)
            await warnAboutRoots(context, canaries);
        failed = false;
        return canaries.map((canary) => bootOf(canary, readReport(canary.report)));
    }
    catch (error) {
        if (!(error instanceof DeployFailure) || runner.cancelled.aborted)
            throw error;
        throw new DeployFailure(error.message, {
            remedy: error.remedy,
            output: error.output,
            appLogs: await appLogs(canaries, listener, plan.deployId),
            cause: error,
        });
    }
    finally {
        command.abort();
        await done.catch(() => { });
        listener.close();
        await removeCanaries(context).catch((error) => {
            if (!failed)
                throw error;
            warn(context.log, `Could not remove the canary: ${error.message} The next deploy tries again.`);
        });
        for (const { files } of canaries)
            for (const suffix of SUFFIXES)
                (0,external_node_fs_namespaceObject.rmSync)(files + suffix, { force: true });
    }
}
const SUFFIXES = ['.cjs', '.ndjson', '-out.log', '-error.log', '.pid'];
/** Stops the canaries of this app that PM2 has, gracefully, whichever deploy left them, and takes them from its list. */
async function removeCanaries({ pm2, places }) {
    const left = (await pm2.list()).filter(({ env }) => env[CANARY_OF] === places.top);
    if (left.length > 0)
        await pm2.remove(left);
}
function prepare({ plan, places, runDir }, trial, chosen, at) {
    const { app } = chosen;
    const name = `${app.name}-canary-${plan.deployId}`;
    const files = (0,external_node_path_namespaceObject.join)(runDir, `canary-${at}`);
    const report = `${files}.ndjson`;
    const now = trial.running.filter((one) => one.name === app.name);
    const instanceVariable = typeof app.instance_var === 'string' ? app.instance_var : 'NODE_APP_INSTANCE';
    const number = Math.max(now.length, expectedInstances(app).count);
    (0,external_node_fs_namespaceObject.writeFileSync)(`${files}.cjs`, preloadText(report, { name: app.name, [instanceVariable]: String(number) }), {
        mode: 0o600,
    });
    const config = canaryConfig(app, {
        name,
        top: places.top,
        live: places.live,
        staging: trial.staging,
        preload: `${files}.cjs`,
        files,
        pm2Env: plan.pm2Env,
        inherited: trial.inheritedBy(app),
        runsNow: now.length > 0,
    });
    const elsewhere = elsewhereOf(trial.staging, places);
    return { ...chosen, name, title: `${app.name} (canary)`, config, elsewhere, report, files };
}
/** Without a `health-url` nobody says which page has to answer, so that nothing seen here fails a deploy. */
async function warnAboutRoots({ log }, canaries) {
    for (const { title, ports, report } of canaries) {
        const { listens } = readReport(report);
        for (const port of ports) {
            const there = [...listens].reverse().find((listen) => listen.port === port);
            const trouble = there === undefined ? null : await troubleAtRoot(port, there.at);
            if (trouble !== null)
                warn(log, `'${title}': ${trouble}. Set \`health-url\` to a page that has to answer.`);
        }
    }
}
async function appLogs(canaries, listener, deployId) {
    const heard = await listener.words(deployId, performance.now());
    return canaries.flatMap(({ name, app, files }) => {
        const lines = heard.find((words) => words.app === name)?.lines ??
            (heard.length > 0 ? [] : readAdded({}, [{ errLogPath: `${files}-error.log` }], LOG_LINES));
        return lines.length === 0 ? [] : [{ app: app.name, version: 'new', lines }];
    });
}
function bootOf({ app, ports, byChance: free }, { listens, readyMs }) {
    const asked = listens.map(({ port }) => port);
    const byChance = asked.includes(0) ? free.filter((port) => !asked.includes(port)) : [];
    const times = listens
        .filter(({ port }) => port !== null && (ports.includes(port) || (port === 0 && byChance.length > 0)))
        .map(({ ms }) => ms);
    return { name: app.name, listenMs: times.length === 0 ? null : Math.min(...times), readyMs, byChance };
}

;// CONCATENATED MODULE: ./host/canary/prove.js












/**
 * Has the staged version prove itself in a canary of each app that is to have one, and leaves staging as it was. Throws a
 * `DeployFailure` where it does not, or where a canary is required that cannot be. `enter` is called where there is any.
 */
async function prove(context, { staging, config }, { version, showOwn }, current, enter) {
    const { plan, places, pm2, clock } = context;
    if (plan.canary === 'off')
        return [];
    const names = config.map(({ name }) => name);
    const { instances, before } = await readBaseline(pm2, names);
    const all = await pm2.list();
    const healthUrl = plan.healthUrl === null
        ? null
        : healthTarget(plan.healthUrl, config, plan.pm2Env, expectedPorts(config, plan.pm2Env, before));
    const healthPort = localPort(healthUrl);
    const free = freeRange();
    const { chosen, without, impossible } = chooseCanaries(plan.canary, config, places.live, (app) => {
        const [first] = instances.filter(({ name }) => name === app.name);
        return {
            runs: first !== undefined,
            ports: portsOfApp(app.name, all, before.ports),
            oldPort: first === undefined ? null : portIn(first.env),
            newPort: declaredPort(app, plan.pm2Env),
            healthPort,
            freeRange: free,
        };
    });
    for (const sentence of without)
        inform(context.log, sentence);
    if (impossible.length > 0) {
        throw new DeployFailure(`canary is \`required\`, and ${impossible.join(' ')}`, {
            remedy: 'Set canary to `auto`, for the apps that can have one, or to `off`.',
        });
    }
    if (chosen.length === 0)
        return [];
    enter();
    showOwn();
    try {
        const inheritedBy = (app) => inherited(app, instances, current, plan.pm2Env);
        const trial = { staging, chosen, running: instances, inheritedBy, healthUrl };
        return await clock.book('canary', () => tryCanaries(context, trial));
    }
    finally {
        removeUnknown(staging, version);
    }
}
/** What an app has from the shell that first started it: its whole environment without what the last deploy gave it. */
function inherited({ name }, instances, current, pm2Env) {
    const running = instances.find((one) => one.name === name)?.env ?? {};
    const last = current?.config.find((app) => app.name === name);
    const given = { ...last?.env, ...last?.[`env_${pm2Env}`] };
    return Object.fromEntries(Object.entries(running).filter(([variable]) => !(variable in given)));
}

;// CONCATENATED MODULE: ./host/handover/dress.js

/** The app with the preload, or with none; `running` are its instances, which may have one already. */
function dress(app, preload, running, pm2Env) {
    const inherited = running.find(({ env }) => env.NODE_OPTIONS !== undefined)?.env.NODE_OPTIONS;
    const result = preload === undefined ? app : withPreload(app, preload, pm2Env, inherited);
    const had = running.some((one) => one.preload?.by === 'NODE_OPTIONS');
    const given = { ...result.env, ...result[`env_${pm2Env}`] };
    if (!had || given.NODE_OPTIONS !== undefined)
        return { app: result, gone: [] };
    return inherited === undefined
        ? { app: result, gone: ['NODE_OPTIONS'] }
        : { app: { ...result, env: { ...result.env, NODE_OPTIONS: inherited } }, gone: [] };
}
function dressAll(config, preloads, all, pm2Env) {
    return config.map((app) => {
        const running = all.filter(({ name }) => name === app.name);
        return dress(app, preloads[app.name], running, pm2Env).app;
    });
}
/**
 * The app with the preload, beside what Node is given already: by its settings, by the variables of PM2's `--env`, or by
 * the NODE_OPTIONS that it has `inherited` from the shell of its first start.
 */
function withPreload(app, { by, argument }, pm2Env, inherited) {
    if (by === 'node_args')
        return withNodeArguments(app, [argument, ...nodeArgumentsOf(app)]);
    const special = `env_${pm2Env}`;
    const chosen = app[special];
    const options = chosen?.NODE_OPTIONS ?? app.env.NODE_OPTIONS ?? inherited ?? '';
    const NODE_OPTIONS = `${argument} ${options}`.trim();
    return {
        ...app,
        env: { ...app.env, NODE_OPTIONS },
        ...(chosen?.NODE_OPTIONS === undefined ? {} : { [special]: { ...chosen, NODE_OPTIONS } }),
    };
}

;// CONCATENATED MODULE: ./host/handover/handover-preload.js
/**
 * The text of a CommonJS file that Node loads before an app's own code, a text so that no bundler changes it. Runs on
 * Node 16 and later; what it exports is called with `{ share, drain }`, what it may do.
 *
 * - share: fork mode, on a Node that has `reusePort`. The app's TCP ports can be shared with its own successor: with an
 *   entry of the same name in the same PM2 that another deploy started. Whoever else wants the port, or has it already,
 *   meets EADDRINUSE as ever.
 * - drain: before the app is told that PM2 stops it, listeners close, answers say `Connection: close`, idle connections end, and requests in flight are waited for. Then the app's own
 *   handlers run; without any, the process ends by the signal that it was sent.
 *
 * With either one, SIGURG drains too: the host program asks, and the process stays. To the outside it tells by descriptors of its own file what it is ready for: one while it can be drained, a second one
 * while all ports that it has can be shared, none once it is drained. It does nothing outside of PM2 and nothing before
 * the first `listen`, and it never throws.
 */
const PRELOAD = String.raw `'use strict';
module.exports = function install(may) {
  const KEY = Symbol.for('pm2-ssh-deploy.handover');
  const env = process.env;
  let pm2 = null;
  try {
    // A cluster worker is told all in one variable; its environment is set later.
    pm2 = env.pm2_env !== undefined ? JSON.parse(env.pm2_env) : env.pm_id !== undefined ? { ...env } : null;
  } catch {}
  if (pm2 === null || globalThis[KEY] || !require('worker_threads').isMainThread) return;
  globalThis[KEY] = true;

  const fs = require('fs');
  const net = require('net');
  const cluster = require('cluster');
  const HOME = env.PM2_HOME || pm2.PM2_HOME || '';
  const DEPLOY = 'PM2_SSH_DEPLOY_ID';
  const STOP = pm2.PM2_KILL_SIGNAL || env.PM2_KILL_SIGNAL || 'SIGINT';
  const KILL_TIMEOUT = Number(pm2.kill_timeout) > 0 ? Number(pm2.kill_timeout) : 1600;
  /** PM2 kills what is still there at the end of its time. */
  const RESERVE = 300;
  /** Kept connections, where there are any, have so long to ask once more, and to be told to go. */
  const LINGER = 1000;
  /** A new connection has so long to send its first byte, or to become one of TLS. */
  const HANDSHAKE = 1000;
  const SOFT_LIMIT = 30000;
  /** A busy listener is closed after so long, whatever waits in its queue. */
  const PATIENCE = 4000;
  /** The primary of an app's own cluster needs so long to give its workers what it has accepted. */
  const SHARED_OUT = 100;
  const [major, minor] = process.versions.node.split('.').map(Number);
  const knowsReusePort = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
  const isOfPm2sCluster = env.pm2_env !== undefined;
  const canShare = may.share === true && knowsReusePort && process.platform === 'linux' && !isOfPm2sCluster;
  const drainsAtStop = may.drain === true;
  const canDrain = drainsAtStop || canShare;
  const quietly = (work) => {
    try { return work(); } catch { return undefined; }
  };

  // ---- Sharing a port with the app's own successor

  /** Descriptors of this file, as the host program counts them. */
  const marks = [];
  const mark = (count) => quietly(() => {
    while (marks.length > count) fs.closeSync(marks.pop());
    while (marks.length < count) marks.push(fs.openSync(__filename, 'r'));
  });

  /** Sockets that listen. They come first in the file: behind them may be tens of thousands of others. */
  function listeners() {
    const found = [];
    for (const [file, family] of [['/proc/net/tcp', 4], ['/proc/net/tcp6', 6]]) {
      let fd;
      try { fd = fs.openSync(file, 'r'); } catch { continue; }
      try {
        const bytes = Buffer.allocUnsafe(16384);
        let rest = '';
        reading: for (let n; (n = fs.readSync(fd, bytes, 0, bytes.length, null)) > 0;) {
          const lines = (rest + bytes.latin1Slice(0, n)).split('\n');
          rest = lines.pop();
          for (const line of lines) {
            const fields = line.trim().split(/\s+/);
            if (fields[0] === 'sl') continue;
            if (fields[3] !== '0A') break reading;
            const [address, port] = fields[1].split(':');
            found.push({ family, address, port: parseInt(port, 16), socket: 'socket:[' + fields[9] + ']' });
          }
        }
      } finally {
        fs.closeSync(fd);
      }
    }
    return found;
  }

  /** An address as /proc has it: words of four bytes, little end first. Null for a name: it may be any. */
  function addressOf(host) {
    const hex = (bytes) => {
      let text = '';
      for (let word = 0; word < bytes.length; word += 4)
        for (let at = word + 3; at >= word; at--) text += bytes[at].toString(16).padStart(2, '0').toUpperCase();
      return text;
    };
    if (net.isIPv4(host)) return { family: 4, address: hex(host.split('.').map(Number)) };
    if (!net.isIPv6(host) || host.includes('.')) return null;
    const [head, tail] = host.split('%')[0].split('::').map((part) => part.split(':').filter(Boolean));
    const middle = tail === undefined ? [] : Array(8 - head.length - tail.length).fill('0');
    const groups = [...head, ...middle, ...(tail || [])].map((group) => parseInt(group, 16));
    return { family: 6, address: hex(groups.flatMap((group) => [group >> 8, group & 255])) };
  }
  const isAny = (one) => /^0+$/.test(one.address);
  function overlap(wanted, there) {
    if (wanted === null) return true;
    if (wanted.family === there.family) return wanted.address === there.address || isAny(wanted) || isAny(there);
    return wanted.family === 6 ? isAny(wanted) : isAny(there);
  }

  /** Sockets on this port that are not this app's predecessor's. Whoever cannot be looked at is a stranger. */
  function strangers(port, host, own) {
    const wanted = host === undefined || host === '' ? { family: 6, address: '0'.repeat(32) } : addressOf(host);
    const left = new Set(listeners().filter((one) => one.port === port && overlap(wanted, one)).map(({ socket }) => socket));
    if (own !== undefined) left.delete(own);
    if (left.size === 0 || pm2[DEPLOY] === undefined) return left;
    for (const pid of fs.readdirSync('/proc')) {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
      let variables;
      try { variables = new Map(fs.readFileSync('/proc/' + pid + '/environ', 'utf8').split('\0').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])); } catch { continue; }
      if (variables.get('PM2_HOME') !== HOME || variables.get('name') !== pm2.name) continue;
      if (variables.get(DEPLOY) === undefined || variables.get(DEPLOY) === pm2[DEPLOY]) continue;
      let descriptors = [];
      try { descriptors = fs.readdirSync('/proc/' + pid + '/fd'); } catch {}
      for (const one of descriptors) {
        quietly(() => left.delete(fs.readlinkSync('/proc/' + pid + '/fd/' + one)));
        if (left.size === 0) return left;
      }
    }
    return left;
  }

  /** A process that is just ending holds its socket a moment longer than it can be seen to. */
  function strangersThatStay(port, host, own) {
    for (let look = 0; look < 5; look++) {
      if (strangers(port, host, own).size === 0) return false;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
    return true;
  }

  const numberIn = (value) => (Number(value) >= 0 ? Number(value) : 0);
  /** Where a listen(...) wants to, in the one form that takes reusePort; null where that is no fixed TCP port. */
  function tcpOptions(args) {
    const [first] = args;
    const isObject = typeof first === 'object' && first !== null;
    if (isObject && (first._handle || first.handle || first.fd !== undefined || first.path !== undefined || typeof first.close === 'function')) return null;
    const given = isObject ? first.port : first;
    const port = typeof given === 'string' && given.trim() === '' ? NaN : Number(given === null ? NaN : given);
    if (!Number.isInteger(port) || port <= 0 || port > 65535) return null;
    const options = isObject ? { ...first } : { port };
    if (!isObject && typeof args[1] === 'string') options.host = args[1];
    const backlog = options.backlog || numberIn(args[1]) || numberIn(args[2]);
    if (backlog > 0) options.backlog = backlog;
    return options;
  }

  let allShared = true;
  const listen = net.Server.prototype.listen;
  net.Server.prototype.listen = function (...args) {
    let passed = args;
    quietly(() => {
      const options = tcpOptions(args);
      const isHttp = typeof this.keepAliveTimeout === 'number';
      if (canDrain && (options !== null || isHttp)) track(this);
      if (options === null || !canShare || cluster.isWorker || options.reusePort) return;
      const { port, host } = options;
      if (strangersThatStay(port, host)) {
        allShared = false;
        mark(Math.min(marks.length, 1));
        return;
      }
      const last = args[args.length - 1];
      passed = [{ ...options, reusePort: true }, ...(typeof last === 'function' ? [last] : [])];
      // Two apps that boot at the same moment must not both have it.
      this.prependOnceListener('listening', () => quietly(() => {
        const at = this._handle && this._handle.fd;
        const own = typeof at === 'number' && at >= 0 ? fs.readlinkSync('/proc/self/fd/' + at) : undefined;
        if (own !== undefined && strangersThatStay(port, host, own)) refuse(this, port, host);
        else if (allShared) mark(2);
      }));
    });
    return listen.apply(this, passed);
  };

  function refuse(server, port, host) {
    allShared = false;
    const error = Object.assign(new Error('listen EADDRINUSE: address already in use ' + (host || '::') + ':' + port), {
      code: 'EADDRINUSE', errno: -98, syscall: 'listen', address: host || '::', port,
    });
    net.Server.prototype.close.call(server);
    process.nextTick(() => server.emit('error', error));
  }

  // ---- Draining

  if (!canDrain) return;
  const nothing = () => {};
  const servers = new Map();
  /** 'idle', 'draining' or 'drained'. */
  let state = 'idle';
  let armed = false;
  let since = 0;
  let deadline = 0;
  /** What PM2 has sent, to be handed on. */
  let stop = null;
  let hold = null;

  function track(server) {
    if (servers.has(server)) return;
    const known = { sockets: new Map(), sessions: new Set(), accepted: 0, closed: false, handle: null };
    servers.set(server, known);
    const add = (socket) => {
      known.accepted += 1;
      known.sockets.set(socket, Date.now());
      socket.once('close', () => known.sockets.delete(socket));
    };
    server.on('connection', add);
    // The primary of an app's own cluster takes the listener away from its server.
    server.prependListener('listening', () => {
      known.handle = server._handle;
    });
    server.on('secureConnection', add);
    server.on('session', (session) => {
      if (typeof session.goaway !== 'function') return;
      known.sessions.add(session);
      if (known.closed) dismiss(session);
      session.once('close', () => known.sessions.delete(session));
    });
    if (armed) return;
    armed = true;
    mark(1);
    // To be ignored is what becomes of it without a handler: it can be sent to anybody.
    process.on('SIGURG', nothing);
    if (!drainsAtStop) return;
    process.on(STOP, nothing);
    if (String(pm2.shutdown_with_message) === 'true') {
      process.on('message', nothing);
      if (process.channel) process.channel.unref();
    }
  }

  // Before anybody can have added a listener: Node binds it for signals then.
  const emit = process.emit;
  process.emit = function (event, ...args) {
    if (armed && event === 'SIGURG') {
      if (state === 'idle') quietly(() => drain(SOFT_LIMIT));
      return true;
    }
    const stops = event === STOP || (event === 'message' && args[0] === 'shutdown' && String(pm2.shutdown_with_message) === 'true');
    if (!armed || !stops || !drainsAtStop) return emit.call(this, event, ...args);
    if (stop !== null) return state === 'passed' ? emit.call(this, event, ...args) : true;
    stop = [event, ...args];
    const own = process.listenerCount(event) > 1;
    // Nobody takes over: what the app does itself is not to be delayed.
    if (state === 'drained' || (state === 'idle' && own && !hasSuccessor())) pass();
    else if (quietly(() => (drain(own ? KILL_TIMEOUT / 2 : KILL_TIMEOUT - RESERVE), true)) !== true) pass();
    return true;
  };

  /** Hands on what PM2 has sent, as if this file were not here. */
  function pass() {
    state = 'passed';
    mark(0);
    clearInterval(hold);
    process.removeListener(STOP, nothing);
    process.removeListener('message', nothing);
    const [event] = stop;
    if (process.listenerCount(event) > 0) emit.apply(process, stop);
    else if (event === STOP) process.kill(process.pid, STOP);
    else process.exit(0);
  }

  /** Whether others accept connections for this app: only then it pays to wait for kept ones to come once more. */
  function hasSuccessor() {
    if (isOfPm2sCluster || cluster.isWorker) return true;
    const all = quietly(listeners) || [];
    const count = (port) => all.filter((one) => one.port === port).length;
    const mine = new Map();
    for (const server of servers.keys()) {
      const address = quietly(() => server.address());
      if (address && address.port) mine.set(address.port, (mine.get(address.port) || 0) + 1);
    }
    return [...mine].some(([port, own]) => count(port) > own);
  }

  const lastOne = (response) => quietly(() => {
    if (response && !response.headersSent) response.shouldKeepAlive = false;
  });

  function drain(limit) {
    deadline = Date.now() + limit;
    if (state !== 'idle') return;
    state = 'draining';
    since = Date.now();
    const linger = hasSuccessor() ? Math.min(LINGER, limit / 2) : 0;
    quietly(() => require('diagnostics_channel').channel('http.server.request.start').subscribe(({ response }) => lastOne(response)));
    for (const [server, known] of servers) {
      for (const socket of known.sockets.keys()) lastOne(socket._httpMessage);
      quietly(() => countAccepted(known));
      // Who is told to go comes back at once, and should meet the successor alone.
      closeAtQuietMoment(server, known, limit, () => {
        quietly(() => closeListener(server, known));
        for (const session of known.sessions) dismiss(session);
      });
    }
    // An app that uses node:cluster itself: the last worker to close would have the queue of the listener reset, so they
    // are told when it is closed, and what it took is shared out.
    const workers = cluster.isWorker ? [] : Object.values(cluster.workers || {});
    let closedAt = 0;
    let primaryKnows = !cluster.isWorker;
    let workersTold = workers.length === 0;
    const timer = setInterval(() => {
      const age = Date.now() - since;
      const expectsMore = !primaryKnows || [...servers.values()].some(({ sockets }) => sockets.size > 0);
      const lingers = age < linger && expectsMore;
      const isClosed = [...servers.values()].every(({ closed }) => closed);
      let busy = lingers || !isClosed;
      if (closedAt === 0 && isClosed) {
        closedAt = Date.now();
        if (cluster.isWorker) tellPrimary(() => { primaryKnows = true; });
      }
      if (!workersTold && closedAt > 0 && Date.now() - closedAt >= SHARED_OUT) {
        workersTold = true;
        for (const worker of workers) quietly(() => worker.process.kill('SIGURG'));
      }
      if (!workersTold) busy = true;
      if (!busy) busy = workers.some((worker) => quietly(() => isUndrained(worker.process.pid)) === true);
      if (!lingers)
        for (const [server, known] of servers) if (quietly(() => hasWork(server, known)) === true) busy = true;
      if (busy && Date.now() < deadline) return;
      clearInterval(timer);
      state = 'drained';
      mark(0);
      // Without anything left to do it would end, and PM2 would start it anew.
      hold = setInterval(nothing, 3600000);
      if (stop !== null) pass();
    }, 20);
  }

  /**
   * A cluster's primary may be handing a connection to this worker, which has closed: if it ends now, nobody ever answers
   * that one. Messages keep their order, so once the primary has answered one of ours nothing is on its way any more.
   * Of those that Node's cluster knows this one is answered, and does no more than say that the worker ends by itself.
   */
  function tellPrimary(then) {
    if (!process.connected) return then();
    const seq = 'pm2-ssh-deploy';
    quietly(() => {
      process.on('internalMessage', (message) => message && message.ack === seq && then());
      process.send({ cmd: 'NODE_CLUSTER', act: 'exitedAfterDisconnect', seq }, nothing);
    });
  }

  /** First that an HTTP/2 client should open no more streams, later that none is taken: so none is refused. */
  function dismiss(session) {
    quietly(() => session.goaway(0, 2 ** 31 - 1));
    setTimeout(() => quietly(() => session.close()), 500);
  }

  function isUndrained(pid) {
    return fs.readdirSync('/proc/' + pid + '/fd').some((one) => quietly(() => fs.readlinkSync('/proc/' + pid + '/fd/' + one)) === __filename);
  }

  /**
   * The kernel resets what waits in the queue of a listener that closes, and Node takes one connection a turn. After a
   * short turn that brought none the queue was empty a moment ago: the handle is closed at once, and all else after it.
   */
  function closeAtQuietMoment(server, known, limit, then) {
    if (!canShare) return then();
    const patience = BigInt(Math.round(Math.min(limit / 2, PATIENCE))) * 1000000n;
    const started = process.hrtime.bigint();
    let turns = 0;
    let seen = known.accepted;
    let before = started;
    const turn = () => {
      const now = process.hrtime.bigint();
      const age = now - started;
      const short = age < patience / 2n ? 30000n : age < (patience * 3n) / 4n ? 150000n : 1000000n;
      turns += 1;
      if ((turns > 2 && known.accepted === seen && now - before < short) || age > patience) {
        const handle = server._handle || known.handle;
        if (handle && typeof handle.close === 'function') handle.close();
        return then();
      }
      seen = known.accepted;
      before = process.hrtime.bigint();
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  function countAccepted(known) {
    const { handle } = known;
    if (!handle || typeof handle.onconnection !== 'function') return;
    const take = handle.onconnection;
    handle.onconnection = function (...args) {
      known.accepted += 1;
      return take.apply(this, args);
    };
  }

  function closeListener(server, known) {
    known.closed = true;
    if (!server._handle) {
      if (known.handle && typeof known.handle.close === 'function') known.handle.close();
      return;
    }
    // Not that of http, which ends idle connections at once.
    net.Server.prototype.close.call(server);
    // The app's own close() is yet to come.
    server.close = function (done) {
      if (typeof done === 'function') {
        if (server._connections > 0) server.once('close', () => done());
        else setImmediate(done);
      }
      if (typeof server.closeIdleConnections === 'function') server.closeIdleConnections();
      return server;
    };
  }

  /** Whether anything must still be waited for. Ends what is idle; WebSockets and event streams are not waited for. */
  function hasWork(server, known) {
    if (typeof server.closeIdleConnections === 'function') server.closeIdleConnections();
    let busy = [...known.sessions].some((session) => !session.destroyed);
    for (const [socket, at] of known.sockets) {
      // Ended, or a WebSocket.
      if (socket.destroyed || socket.parser === null) continue;
      const isNew = Date.now() - at < HANDSHAKE;
      // Not HTTP, or the raw side of TLS, which may not have shaken hands yet.
      if (!('parser' in socket)) {
        if (isNew) busy = true;
        continue;
      }
      const response = socket._httpMessage;
      if (response) {
        if (!/^content-type: *text\/event-stream/im.test(response._header || '')) busy = true;
      } else if (socket.bytesRead > 0 || isNew) busy = true;
      else socket.destroy();
    }
    return busy;
  }
};
`;

;// CONCATENATED MODULE: ./host/handover/preload-file.js






/** What the host program and the preload agree on, SIGURG and the descriptors; raised when that changes. */
const AGREEMENT = 1;
const hash = (0,external_node_crypto_namespaceObject.createHash)('sha256').update(PRELOAD).digest('hex').slice(0, 8);
/** The path of a preload that can be spoken with, as a process has it open. */
const PRELOAD_OPENED = new RegExp(`/${PRELOAD_DIRECTORY}/handover-${AGREEMENT}-\\w+\\.cjs( \\(deleted\\))?$`);
/**
 * Puts the preload into PM2's own directory, where PM2's list is too, and gives its path. Each text has a file of its own
 * that is never changed or removed: apps that were started with it are started with it again after months.
 */
function installPreload(pm2Home) {
    const directory = (0,external_node_path_namespaceObject.join)(pm2Home, PRELOAD_DIRECTORY);
    const file = (0,external_node_path_namespaceObject.join)(directory, `handover-${AGREEMENT}-${hash}.cjs`);
    if (readIfThere(file) !== PRELOAD) {
        (0,external_node_fs_namespaceObject.mkdirSync)(directory, { recursive: true });
        writeDurably(file, PRELOAD);
    }
    // An app may run as another user.
    (0,external_node_fs_namespaceObject.chmodSync)(directory, 0o755);
    (0,external_node_fs_namespaceObject.chmodSync)(file, 0o644);
    return file;
}

;// CONCATENATED MODULE: ./host/handover/starter.js



const NODE = /^node(js)?(@.*)?$/;
const TOOL = /^(tsx|ts-node|ts-node-esm|ts-node-script)$/;
const SHELL = /^(ba|da|z|k|a)?sh$/;
function starterOf(app) {
    const script = (scriptOf(app) ?? '').trim();
    if (launcherIn(script.split(/\s+/)[0] ?? '') !== null)
        return 'tool';
    const interpreter = interpreterOf(app);
    // PM2 hands a command line to bash.
    if (script.includes(' '))
        return 'shell';
    if (interpreter !== null) {
        const name = (0,external_node_path_namespaceObject.basename)(interpreter);
        if (NODE.test(name))
            return 'node';
        return TOOL.test(name) ? 'tool' : SHELL.test(name) ? 'shell' : 'other';
    }
    const suffix = (0,external_node_path_namespaceObject.extname)(script);
    if (suffix === '.sh')
        return 'shell';
    return suffix === '' || /^\.[cm]?js$/.test(suffix) ? 'node' : 'other';
}
function interpreterOf(app) {
    const given = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
    return typeof given === 'string' && given !== '' ? given : null;
}

;// CONCATENATED MODULE: ./host/handover/preload-choice.js







/** How each app is to be started with the preload, by name; an app that cannot be, or is not to be, is not in it. */
async function choosePreloads(plan, pm2, config, running) {
    const chosen = {};
    for (const app of config) {
        const { mode } = expectedInstances(app);
        const starter = starterOf(app);
        const version = await versionFor(app, mode, pm2, running);
        if (version === null || !loadsPreload(version))
            continue;
        const share = mode === 'fork' && plan.handover === 'auto' && sharesPorts(version);
        const drain = plan.drain === 'auto';
        if (!share && !drain)
            continue;
        chosen[app.name] = {
            by: starter === 'node' ? 'node_args' : 'NODE_OPTIONS',
            argument: preloadArgument(installPreload(pm2.home), { share, drain }),
        };
    }
    return chosen;
}
/** The oldest Node that the app will run; null where it may be none. */
async function versionFor(app, mode, pm2, running) {
    const starter = starterOf(app);
    if (mode === 'cluster')
        return starter === 'node' ? parseVersion(pm2.otherNode ?? process.version) : null;
    if (starter === 'other')
        return null;
    const interpreter = interpreterOf(app) ?? '';
    if (starter === 'node' && interpreter.includes('/'))
        return versionOf(interpreter);
    if (interpreter.includes('@'))
        return parseVersion(interpreter.slice(interpreter.indexOf('@') + 1));
    const own = running.filter(({ name, execMode, pid }) => name === app.name && execMode === 'fork' && pid > 0);
    const seen = await Promise.all(own.flatMap(({ pid }) => executablesOf(pid)).map(versionOf));
    const versions = seen.filter((version) => version !== null);
    if (versions.length > 0)
        return versions.reduce(older);
    // A shell script may choose a Node of its own: nobody has seen it yet.
    return starter === 'shell' ? null : parseVersion(process.version);
}
function executablesOf(root) {
    return [root, ...descendantsOf(root)].flatMap((pid) => {
        try {
            return (0,external_node_fs_namespaceObject.readlinkSync)(`/proc/${pid}/exe`);
        }
        catch {
            return [];
        }
    });
}

;// CONCATENATED MODULE: external "node:events"
const external_node_events_namespaceObject = require("node:events");
;// CONCATENATED MODULE: ./host/health/probe.js


/** Milliseconds. */
const EVERY = 100;
/** A site that hangs is not to be buried under requests. */
const MOST_AT_ONCE = 10;
/**
 * Requests the app's health URL again and again until it is stopped, each time over a new connection, as a visitor
 * would. With two URLs, since the app's port changes with this deploy, a good answer of either one counts; without any,
 * nothing is done.
 */
function startProbe(urls) {
    if (urls.length === 0)
        return { stop: () => null };
    const asked = [];
    const abort = new AbortController();
    (0,external_node_events_namespaceObject.setMaxListeners)(0, abort.signal);
    let underWay = 0;
    let counted = null;
    const ask = async () => {
        if (underWay >= MOST_AT_ONCE)
            return;
        underWay += 1;
        const at = performance.now();
        const complaints = await Promise.all(urls.map((url) => complaintAbout(url, { cancel: abort.signal }).catch(String)));
        underWay -= 1;
        if (counted === null)
            asked.push({ at, good: complaints.includes(null) });
    };
    const timer = setInterval(() => void ask(), EVERY);
    timer.unref();
    void ask();
    return {
        stop() {
            if (counted !== null)
                return counted;
            clearInterval(timer);
            counted = countRequests(asked, performance.now());
            abort.abort();
            return counted;
        },
    };
}
/** Each stretch of failures counts from its first request to the next good one, or to the `end`; by when they were sent. */
function countRequests(asked, end) {
    let downtime = 0;
    let downSince = null;
    for (const { at, good } of [...asked].sort((a, b) => a.at - b.at)) {
        if (!good)
            downSince ??= at;
        else if (downSince !== null) {
            downtime += at - downSince;
            downSince = null;
        }
    }
    if (downSince !== null)
        downtime += end - downSince;
    const failed = asked.filter(({ good }) => !good).length;
    return { sent: asked.length, failed, downtimeMs: Math.round(downtime) };
}

;// CONCATENATED MODULE: ./host/program/reserve.js



/** Enough for the events, the journal, and git's and PM2's files in a rollback. Several files, so that inodes are reserved too. */
const FILES = 16;
const SIZE = 32 * 1024;
/** A disk without room for this many bytes is full. */
const LEAST = 64 * 1024;
const reserve = (runDir) => (0,external_node_path_namespaceObject.join)(runDir, 'reserve');
/**
 * Reserves disk space for what a deploy has to write at its end, when the disk may be full. Throws if there is none.
 */
function takeReserve(runDir) {
    try {
        (0,external_node_fs_namespaceObject.mkdirSync)(reserve(runDir), { recursive: true, mode: 0o700 });
        for (let n = 0; n < FILES; n++)
            (0,external_node_fs_namespaceObject.writeFileSync)((0,external_node_path_namespaceObject.join)(reserve(runDir), String(n)), (0,external_node_crypto_namespaceObject.randomBytes)(SIZE));
    }
    catch (error) {
        freeReserve(runDir);
        throw error;
    }
}
/** Frees the reserve if the disk is full. Returns whether it did. */
function makeRoom(runDir) {
    const probe = (0,external_node_path_namespaceObject.join)(runDir, 'room');
    try {
        (0,external_node_fs_namespaceObject.writeFileSync)(probe, (0,external_node_crypto_namespaceObject.randomBytes)(LEAST), { mode: 0o600 });
        return false;
    }
    catch {
        const had = (0,external_node_fs_namespaceObject.existsSync)(reserve(runDir));
        freeReserve(runDir);
        return had;
    }
    finally {
        remove(probe);
    }
}
function freeReserve(runDir) {
    remove(reserve(runDir));
}
/** A disk that has become read-only has nothing to free. */
function remove(path) {
    try {
        (0,external_node_fs_namespaceObject.rmSync)(path, { recursive: true, force: true });
    }
    catch {
        // The next write reports the problem.
    }
}

;// CONCATENATED MODULE: ./host/state/journal.js





/** Who an entry is about, from whatever knows it: a plan, or a transaction. */
function subjectOf({ deployId, mode, run }, sha) {
    return { deploy: deployId, mode, run, sha };
}
const runCheck = fields({
    repository: checked_text,
    id: checked_text,
    attempt: checked_text,
    url: checked_text,
    actor: checked_text,
});
const entryCheck = fields({
    deploy: checked_text,
    // The first entries of 0.1 have none, and are of a deploy.
    mode: (value = 'deploy', at) => oneOf(MODES)(value, at),
    run: runCheck,
    sha: orNull(checked_text),
    state: oneOf(STATES),
    at: checked_text,
    outcome: orNull(oneOf(OUTCOMES)),
    reason: orNull(checked_text),
});
/** Of one line. */
const journal_FORMAT = { what: 'A line of the journal', readers: [entryCheck] };
/** A journal with more lines is trimmed. So many good deploys stay, and so many others. */
const journal_LONGEST = 1_000;
const journal_KEPT = 100;
/** The journal is also the app's history: what was deployed when, by which run, and how it ended. */
function openJournal(state) {
    const file = (0,external_node_path_namespaceObject.join)(state, 'journal.ndjson');
    const read = () => parseJournal(readIfThere(file) ?? '', file);
    const write = (subject, state, outcome, reason = null) => {
        const { deploy, mode, run, sha } = subject;
        const at = new Date().toISOString();
        // A power cut may leave a line without its end. The next one must not continue it.
        const torn = !(readIfThere(file) ?? '\n').endsWith('\n');
        appendDurably(file, `${torn ? '\n' : ''}${lineOf({ deploy, mode, run, sha, state, at, outcome, reason })}`);
    };
    return {
        enter: (subject, state, reason) => write(subject, state, null, reason),
        end: (subject, state, outcome, reason) => write(subject, state, outcome, reason),
        entries: read,
        trim() {
            const entries = read();
            if (entries.length <= journal_LONGEST)
                return;
            const ended = entries.filter(({ outcome }) => outcome !== null);
            // Counted apart, so that many failures do not push out the versions that a rollback can go to.
            const good = ended.filter(({ outcome }) => outcome === 'deployed').slice(-journal_KEPT);
            const others = ended.filter(({ outcome }) => outcome !== 'deployed').slice(-journal_KEPT);
            const kept = ended.filter((entry) => good.includes(entry) || others.includes(entry));
            writeDurably(file, kept.map(lineOf).join(''));
        },
    };
}
function lineOf(entry) {
    return `${JSON.stringify({ version: journal_FORMAT.readers.length, ...entry })}\n`;
}
function parseJournal(content, file) {
    const lines = content.split('\n').filter((line) => line !== '');
    // A power cut tears a line; what it held was never relied upon.
    return lines.filter(isJson).map((line) => parseVersioned(line, file, journal_FORMAT));
}
/** States in which PM2 or the live tree may be between two versions, or between one and none. */
const OPEN = [
    'activating',
    'verifying',
    'verified',
    'rolling-back',
    'rollback-failed',
    'removing',
];
/** The last deploy's entry if that deploy is unfinished: a later one has to end it first. */
function unfinished(entries) {
    const last = entries.filter((entry) => entry.outcome !== 'failed' && entry.outcome !== 'unchanged').at(-1);
    return last !== undefined && OPEN.includes(last.state) ? last : null;
}

;// CONCATENATED MODULE: ./host/swap/adoption.js



/**
 * What builds are known to make, for a checkout that was deployed by hand before: no record says what its builds made.
 * Only what git ignores in live is taken as such, so that a directory of the app's own by one of these names is not.
 */
const BUILD_OUTPUTS = [
    { names: ['node_modules'], of: 'npm, pnpm, yarn and bun: made anew by every install' },
    { names: ['dist', 'build', 'out'], of: 'tsc, bundlers and most frameworks' },
    { names: ['.next', '.nuxt', '.output', '.svelte-kit', '.astro', '.angular'], of: 'one framework each' },
    { names: ['.turbo', '.cache', '.parcel-cache', '.vite', '.nx'], of: 'caches of build tools' },
    { names: ['coverage', '.nyc_output', 'storybook-static'], of: 'test and documentation runs' },
    {
        names: ['next-env.d.ts', 'tsconfig.tsbuildinfo', '.eslintcache'],
        of: 'single files of Next, tsc, ESLint',
    },
];
const adoption_NAMES = BUILD_OUTPUTS.flatMap(({ names }) => names);
/** Paths in live beside tracked things that are named like a build's output. */
function adoptionCandidates(live, tracked) {
    const directories = parentsOf(tracked.keys());
    const candidates = [];
    for (const directory of directories) {
        for (const name of adoption_NAMES) {
            const path = directory === '' ? name : `${directory}/${name}`;
            if (directories.has(path) || tracked.has(path))
                continue;
            if (live.kind(path) !== null)
                candidates.push(path);
        }
    }
    return candidates;
}
/**
 * What a deploy by hand left in a directory, as if a build of ours had recorded it; or the path of a database that is in
 * there, and then nothing of it can be taken as built. `next` is what the new version has in its place.
 */
function adopt(live, path, next, careful = false) {
    const coming = next?.kind === 'directory' ? next.entries : new Map();
    const entries = new Map();
    for (const [name, kind] of live.list(path, Number.POSITIVE_INFINITY)) {
        const inside = `${path}/${name}`;
        // Of what the app may have written, only what the new build makes too is taken as built.
        const doubtful = careful || (isNamedLikeOwn(name) && !inNodeModules(inside));
        if (name === '.git' || (doubtful && coming.get(name)?.kind !== kind))
            continue;
        if (kind === 'leaf') {
            if (!inNodeModules(inside) && live.isDatabase(inside))
                return { database: inside };
            entries.set(name, GENERATED);
            continue;
        }
        const below = adopt(live, inside, coming.get(name), doubtful);
        if ('database' in below)
            return below;
        entries.set(name, below);
    }
    return { kind: 'directory', tracked: false, entries };
}

;// CONCATENATED MODULE: ./host/swap/live-tree.js



const SQLITE = Buffer.from('SQLite format 3\0', 'latin1');
const COMPANION = /-(wal|shm|journal)$/;
/** Not opened to look for a database: nearly all that a build makes, so that a large one is checked quickly. */
const NO_DATABASE = /\.([cm]?[jt]sx?|map|json5?|css|s[ac]ss|less|html?|mdx?|txt|ya?ml|toml|xml|vue|svelte|svg|png|jpe?g|gif|webp|avif|ico|woff2?|[to]tf|eot|wasm|node|gz|br|zst|zip|lock|sh|py|[ch]|cc|cpp|hpp|mp[34]|webm|pdf|snap|flow|proto|graphql|hbs|ejs|pug|rsc|meta)$/i;
const live_tree_CHUNK = 1024 * 1024;
/** Bytes of a directory itself, without what is in it: some tens of thousands of entries. */
const LARGE_DIRECTORY = 1024 * 1024;
/** The database whose `-wal`, `-shm` or `-journal` a path would be by its name, else null. */
function databaseOf(path) {
    return COMPANION.test(path) ? path.replace(COMPANION, '') : null;
}
const NOTHING = new Set();
/** Reads `live`; `staging` only where the two are compared. What is `hidden` at the top is as if it were not there. */
function live_tree_readTree(live, staging, hidden = NOTHING) {
    const isHidden = (path) => hidden.size > 0 && hidden.has(path.split('/')[0] ?? '');
    return {
        kind(path) {
            const stat = isHidden(path) ? null : rename_statOf(`${live}/${path}`);
            return stat === null ? null : stat.isDirectory() ? 'directory' : 'leaf';
        },
        list(directory, limit) {
            const path = `${live}/${directory}`;
            // Reading a small directory at once is several times faster than reading it piece by piece.
            const large = (rename_statOf(path)?.size ?? 0n) > LARGE_DIRECTORY;
            const entries = large ? firstEntries(path, limit) : (0,external_node_fs_namespaceObject.readdirSync)(path, { withFileTypes: true });
            const seen = directory === '' ? entries.filter(({ name }) => !isHidden(name)) : entries;
            return seen.slice(0, limit).map((entry) => [entry.name, entry.isDirectory() ? 'directory' : 'leaf']);
        },
        stamp(path) {
            const stat = rename_statOf(`${live}/${path}`);
            return stat === null ? null : `${stat.size} ${stat.mtimeNs}`;
        },
        content(path) {
            const stat = rename_statOf(`${live}/${path}`);
            return stat === null ? null : tree_contentOf(`${live}/${path}`, stat);
        },
        isDatabase(path) {
            if (NO_DATABASE.test(path))
                return false;
            const base = databaseOf(path);
            return hasHeader(`${live}/${path}`) || (base !== null && hasHeader(`${live}/${base}`));
        },
        sameAsStaging: (path) => sameContent(`${live}/${path}`, `${staging}/${path}`),
        isPrivate: (path) => ((rename_statOf(`${live}/${path}`)?.mode ?? 0n) & 63n) === 0n,
    };
}
function firstEntries(directory, limit) {
    const handle = (0,external_node_fs_namespaceObject.opendirSync)(directory, { bufferSize: Math.max(1, Math.min(limit, 512)) });
    try {
        const entries = [];
        for (let entry = handle.readSync(); entry !== null; entry = handle.readSync()) {
            entries.push(entry);
            if (entries.length >= limit)
                break;
        }
        return entries;
    }
    finally {
        handle.closeSync();
    }
}
function hasHeader(file) {
    const stat = rename_statOf(file);
    // Opening a pipe would wait for its other end.
    if (stat === null || !stat.isFile() || stat.size < SQLITE.length)
        return false;
    const start = Buffer.alloc(SQLITE.length);
    const descriptor = (0,external_node_fs_namespaceObject.openSync)(file, external_node_fs_namespaceObject.constants.O_RDONLY | external_node_fs_namespaceObject.constants.O_NOFOLLOW);
    try {
        (0,external_node_fs_namespaceObject.readSync)(descriptor, start, 0, start.length, 0);
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(descriptor);
    }
    return start.equals(SQLITE);
}
function sameContent(one, other) {
    const a = rename_statOf(one);
    const b = rename_statOf(other);
    if (a === null || b === null)
        return false;
    if (a.isSymbolicLink() && b.isSymbolicLink())
        return (0,external_node_fs_namespaceObject.readlinkSync)(one) === (0,external_node_fs_namespaceObject.readlinkSync)(other);
    if (!a.isFile() || !b.isFile() || a.size !== b.size || (a.mode & 64n) !== (b.mode & 64n))
        return false;
    const left = (0,external_node_fs_namespaceObject.openSync)(one, 'r');
    try {
        const right = (0,external_node_fs_namespaceObject.openSync)(other, 'r');
        try {
            return sameBytes(left, right);
        }
        finally {
            (0,external_node_fs_namespaceObject.closeSync)(right);
        }
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(left);
    }
}
function sameBytes(one, other) {
    const a = Buffer.alloc(live_tree_CHUNK);
    const b = Buffer.alloc(live_tree_CHUNK);
    for (;;) {
        const inOne = (0,external_node_fs_namespaceObject.readSync)(one, a, 0, live_tree_CHUNK, null);
        const inOther = (0,external_node_fs_namespaceObject.readSync)(other, b, 0, live_tree_CHUNK, null);
        if (inOne !== inOther || !a.subarray(0, inOne).equals(b.subarray(0, inOther)))
            return false;
        if (inOne === 0)
            return true;
    }
}

;// CONCATENATED MODULE: ./host/swap/apps-own.js



function ownership(live, flagged) {
    const seen = new Map();
    const changed = (path, known) => {
        if (known.stamp === null || live.stamp(path) === known.stamp)
            return false;
        return known.content === null || live.content(path) !== known.content;
    };
    const ofLeaf = (path, old, next) => {
        const database = () => isAppsDatabase(live, path, old, next);
        if (old?.kind !== 'leaf')
            return database() ? 'database' : 'untracked';
        if (flagged.has(path))
            return 'flagged';
        if (database())
            return 'database';
        return changed(path, old) ? 'changed' : null;
    };
    const search = (directory, old) => {
        // Of one entry more than is known, one must be unknown: no directory is ever read further.
        for (const [name, kind] of live.list(directory, old.entries.size + 1)) {
            const path = `${directory}/${name}`;
            const known = old.entries.get(name);
            if (kind === 'directory') {
                const own = known?.kind === 'directory' ? within(path, known) : { path, why: 'untracked' };
                if (own !== null)
                    return own;
            }
            else {
                const why = ofLeaf(path, known, undefined);
                if (why !== null)
                    return { path, why };
            }
        }
        return null;
    };
    const within = (directory, old) => {
        if (isOfOneVersion(directory))
            return null;
        const cached = seen.get(directory);
        if (cached !== undefined)
            return cached;
        const own = search(directory, old);
        seen.set(directory, own);
        return own;
    };
    return { ofLeaf, within, changed };
}
/**
 * A database is the app's whoever made it: production has written to it since. Two are not: one that git tracks in
 * both versions and that has no journal beside it (the user's own choice), and a package's in `node_modules` that
 * nobody has changed.
 */
function isAppsDatabase(live, path, old, next) {
    if (!live.isDatabase(path))
        return false;
    if (databaseOf(path) !== null)
        return true;
    if (old?.kind !== 'leaf')
        return true;
    const hasJournal = ['-wal', '-journal'].some((suffix) => live.kind(path + suffix) !== null);
    if (hasJournal)
        return true;
    if (inNodeModules(path))
        return old.stamp !== null && live.stamp(path) !== old.stamp;
    return !(old.tracked !== null && next?.kind === 'leaf' && next.tracked !== null);
}

;// CONCATENATED MODULE: ./host/swap/own-paths.js
/**
 * The topmost paths of live that are the app's own: no version put them there, or the app has written to them since.
 * `exchanged` are the paths of the swap list, in which nothing is the app's own; `old` is what the live version has.
 */
function ownPaths(live, own, old, exchanged) {
    const found = [];
    const visit = (directory, known) => {
        for (const [name, kind] of live.list(directory, Number.POSITIVE_INFINITY)) {
            const path = directory === '' ? name : `${directory}/${name}`;
            const there = known.entries.get(name);
            if (name === '.git' || exchanged.has(path))
                continue;
            if (there?.kind === 'directory' && kind === 'directory')
                visit(path, there);
            else if (kind === 'directory' || own.ofLeaf(path, there, undefined) !== null)
                found.push(path);
        }
    };
    visit('', old);
    return found;
}

;// CONCATENATED MODULE: ./host/swap/swap-list.js







const swapOp = fields({ path: checked_text, live: flag, staging: flag });
/** Lists what has to be exchanged so that live becomes the version in staging. Changes nothing. */
async function swapList(input) {
    const live = live_tree_readTree(input.live, input.staging, input.hidden);
    const candidates = input.generatedOld === null ? adoptionCandidates(live, input.trackedOld) : [];
    const ignored = candidates.length === 0 ? new Set() : await input.ignored(candidates);
    return listSwaps({ ...input, live, adoptable: candidates.filter((path) => ignored.has(path)) });
}
/** The rules, over data: `live` is asked only about paths that a version of ours has, or had. */
function listSwaps(input) {
    const { live, trackedOld, trackedNew, generatedOld, generatedNew, pinned = [], changed = new Set(), } = input;
    const old = knownTree(trackedOld, generatedOld, 'known');
    const next = knownTree(trackedNew, generatedNew, 'absent');
    const found = { ops: [], collisions: [], adopted: [], same: [] };
    const barred = new Set();
    for (const path of input.adoptable) {
        const coming = at(next, path);
        const known = live.kind(path) === 'directory' ? adopt(live, path, coming) : GENERATED;
        if ('database' in known) {
            barred.add(path);
            if (coming)
                collide(found, { path: known.database, why: 'database' }, path, coming);
        }
        else {
            graft(old, path, known);
            found.adopted.push(path);
        }
    }
    for (const path of input.given)
        graft(next, path, GENERATED);
    const own = ownership(live, input.flagged);
    const walk = {
        live,
        own,
        found,
        barred,
        changed,
        given: new Set(input.given),
        pinned: new Set([...pinned, ...parentsOf([...pinned, ...input.given])]),
    };
    merge(walk, '', old, next);
    found.ops.sort((a, b) => (a.path < b.path ? -1 : 1));
    const exchanged = new Set(found.ops.map(({ path }) => path));
    return { ...found, version: next, own: () => ownPaths(live, own, old, exchanged) };
}
/** A directory that stays in live, for one of these reasons: entry by entry. */
function merge(walk, directory, old, next) {
    const names = new Set([...(old?.entries.keys() ?? []), ...(next?.entries.keys() ?? [])]);
    for (const name of names) {
        const path = directory === '' ? name : `${directory}/${name}`;
        if (!walk.barred.has(path))
            entry(walk, path, old?.entries.get(name), next?.entries.get(name));
    }
}
function entry(walk, path, old, next) {
    const { live, own, found } = walk;
    if (!differs(walk, path, old, next))
        return;
    const exchange = () => found.ops.push({ path, live: true, staging: next !== undefined });
    const kind = live.kind(path);
    if (kind === 'leaf' && walk.given.has(path)) {
        // What the inputs bring is secret, so an equal file that others can read is replaced too.
        if (!live.sameAsStaging(path) || !live.isPrivate(path))
            exchange();
    }
    else if (kind === null) {
        if (next === undefined)
            return;
        // A journal of the build's beside the app's database would be read as that database's.
        const database = databaseOf(path);
        if (database !== null && live.isDatabase(database))
            collide(found, { path: database, why: 'database' }, path, next);
        else
            found.ops.push({ path, live: false, staging: true });
    }
    else if (kind === 'leaf') {
        const why = own.ofLeaf(path, old, next);
        if (why === null)
            exchange();
        else if (next?.kind === 'leaf' && live.sameAsStaging(path)) {
            if (old?.kind !== 'leaf')
                found.same.push(path);
        }
        else if (next !== undefined)
            collide(found, { path, why }, path, next);
    }
    else if (next?.kind === 'leaf') {
        const inside = old?.kind === 'directory' ? own.within(path, old) : { path, why: 'untracked' };
        if (inside === null)
            exchange();
        else
            collide(found, inside, path, next);
    }
    else {
        const known = old?.kind === 'directory' ? old : null;
        if (known !== null && !walk.pinned.has(path) && own.within(path, known) === null)
            exchange();
        else
            merge(walk, path, known, next ?? null);
    }
}
/** Whether the versions differ there: generated directories always do, for nothing but names is recorded of them. */
function differs(walk, path, old, next) {
    if (walk.changed.has(path))
        return true;
    if (old?.kind === 'leaf' && next?.kind === 'leaf') {
        if (old.tracked !== null && next.tracked !== null)
            return old.content === null && next.content === null
                ? old.tracked !== next.tracked
                : old.content !== next.content;
        const same = old.stamp !== null && old.content !== null && old.content === next.content;
        return !same || walk.live.kind(path) !== 'leaf' || walk.own.changed(path, old);
    }
    if (old?.kind !== 'directory' || next?.kind !== 'directory')
        return true;
    if (!old.tracked && !next.tracked)
        return old.entries.size + next.entries.size > 0;
    if (old.entries.size !== next.entries.size)
        return true;
    for (const [name, known] of old.entries) {
        if (differs(walk, path === '' ? name : `${path}/${name}`, known, next.entries.get(name)))
            return true;
    }
    return false;
}
function collide(found, own, at, next) {
    found.collisions.push({
        ...own,
        at,
        brings: next.tracked === null || next.tracked === false ? 'generated' : 'tracked',
    });
}
const REASONS = {
    untracked: 'is neither tracked by git nor made by an earlier deploy',
    changed: 'was changed since a deploy put it there',
    database: 'is a database that the app may have written to',
    flagged: 'is marked skip-worktree or assume-unchanged, so that local changes in it would not be seen',
};
const swap_list_REMEDIES = {
    untracked: 'move it away on the server if nothing needs it, or keep the new version from bringing its own',
    changed: 'move it away on the server if the new one is wanted, or have the app write to a path that no build makes',
    database: 'give the build another database than the production one, or keep it out of the repository',
    flagged: "put the new version's content there, or take the mark off with 'git update-index --no-skip-worktree --no-assume-unchanged'",
};
/** One line for the user: what is in the way, of what, and what to do. */
function describeCollision({ path, why, at, brings }) {
    const bringer = brings === 'tracked' ? 'the commit has' : 'the build made';
    const its = at === path ? 'its own' : JSON.stringify(at);
    return `${JSON.stringify(path)} ${REASONS[why]}, and ${bringer} ${its}: ${swap_list_REMEDIES[why]}.`;
}

;// CONCATENATED MODULE: ./host/state/current.js






const counters = (value, at) => value === undefined || value === null ? null : mapOf(number)(value, at);
/** Of what 0.1 did not write. */
const noted = (value = null, at) => orNull(checked_text)(value, at);
const currentCheck = fields({
    deployId: checked_text,
    sha: checked_text,
    fingerprint: checked_text,
    record: checked_text,
    config: listOf(deployApp),
    runsAs: checked_text,
    since: moment,
    ports: listOf(number),
    restarts: counters,
    abi: noted,
});
const current_FORMAT = { what: 'The record of the version that runs', readers: [currentCheck] };
const file = (state) => (0,external_node_path_namespaceObject.join)(state, 'current.json');
function saveCurrent(state, current) {
    writeVersioned(file(state), current_FORMAT, current);
}
function removeCurrent(state) {
    (0,external_node_fs_namespaceObject.rmSync)(file(state), { force: true });
}
/** Null if no deploy was ever committed here. */
function loadCurrent(state) {
    return readVersioned(file(state), current_FORMAT);
}

;// CONCATENATED MODULE: ./host/state/transaction.js












const transaction_file = (state) => (0,external_node_path_namespaceObject.join)(state, 'transaction.json');
/** Returns once it is on disk. */
function saveTransaction(state, transaction) {
    writeVersioned(transaction_file(state), transaction_FORMAT, transaction);
}
function loadTransaction(state) {
    return readVersioned(transaction_file(state), transaction_FORMAT);
}
/** When it was last written, in milliseconds since 1970. */
function transactionSavedAt(state) {
    return (0,external_node_fs_namespaceObject.statSync)(transaction_file(state)).mtimeMs;
}
/** Format 1 and the first files of format 2 do not have it. */
const restoredAt = (value = null, at) => orNull(moment)(value, at);
/** What formats 1 and 2 have alike. */
const transaction_common = {
    deployId: checked_text,
    mode: oneOf(MODES),
    run: runCheck,
    sha: checked_text,
    record: checked_text,
    current: orNull(currentCheck),
    fingerprint: checked_text,
    abi: noted,
    save: flag,
    healthTimeout: number,
    stableFor: number,
    healthUrl: orNull(checked_text),
    config: listOf(deployApp),
    leftOut: listOf(checked_text),
    pm2Env: orNull(checked_text),
    swapped: orNull(moment),
    restored: flag,
    restoredAt,
};
const beforeCommon = {
    apps: listOf(deployApp),
    counts: mapOf(fields({ total: number, online: number })),
    ports: listOf(number),
    healthUrl: orNull(checked_text),
};
/** As 0.1 wrote it. */
const transaction_format1 = (value, at) => {
    const { previous, staging, kept, ops, before, ...rest } = fields({
        ...transaction_common,
        previous: headCheck,
        staging: checked_text,
        kept: checked_text,
        ops: listOf(swapOp),
        before: fields({ ...beforeCommon, strays: listOf(number) }),
    })(value, at);
    const { strays, ...was } = before;
    return {
        ...rest,
        previousSha: previous.sha,
        migrated: false,
        swap: { layout: 'in-place', head: previous, staging, kept, ops, given: [] },
        preloads: {},
        before: { ...was, orphans: strays, preloads: {} },
    };
};
/** The first files of format 2 do not have it. */
const given = (value = [], at) => listOf(checked_text)(value, at);
const inPlaceSwap = fields({
    layout: oneOf(['in-place']),
    head: headCheck,
    staging: checked_text,
    kept: checked_text,
    ops: listOf(swapOp),
    given,
});
const releasesSwap = fields({
    layout: oneOf(['releases']),
    head: headCheck,
    staging: checked_text,
    previous: orNull(checked_text),
    own: listOf(checked_text),
});
const anySwap = (value, at) => object(value, at).layout === 'releases' ? releasesSwap(value, at) : inPlaceSwap(value, at);
/** What formats 2 and 3 have alike. */
const later = {
    ...transaction_common,
    previousSha: orNull(checked_text),
    migrated: flag,
    preloads: mapOf(preloadCheck),
    before: fields({ ...beforeCommon, orphans: listOf(number), preloads: mapOf(preloadCheck) }),
};
const transaction_format2 = fields({ ...later, swap: inPlaceSwap });
const format3 = fields({ ...later, swap: anySwap });
const transaction_FORMAT = {
    what: 'The record of the deploy that was under way',
    readers: [transaction_format1, transaction_format2, format3],
};

;// CONCATENATED MODULE: ./host/health/shared-ports.js



/**
 * In cluster mode, all apps of one PM2 that listen on a port share it, whatever their names: each answers some of the
 * requests, and every health check passes. In fork mode the second one fails by itself.
 */
function sharedPorts(config, pm2Env, all) {
    const found = { refused: [], warned: [] };
    const own = config.flatMap((app) => {
        const port = expectedInstances(app).mode === 'cluster' ? declaredPort(app, pm2Env) : null;
        return port === null ? [] : [{ app, port }];
    });
    const runsThere = (name, port) => all.some((one) => one.name === name && one.status === 'online' && portIn(one.env) === port);
    own.forEach(({ app, port }, at) => {
        for (const other of own.slice(at + 1).filter((one) => one.port === port)) {
            const sentence = `'${app.name}' and '${other.app.name}' both have PORT ${port}, and in cluster mode they share it: each answers some of the requests.`;
            const sharedBefore = runsThere(app.name, port) && runsThere(other.app.name, port);
            const sameScript = scriptOf(app) === scriptOf(other.app);
            (sameScript && !sharedBefore ? found.refused : found.warned).push(sentence);
        }
        const others = all.filter((one) => !one.module &&
            one.execMode === 'cluster' &&
            one.status === 'online' &&
            portIn(one.env) === port &&
            config.every(({ name }) => name !== one.name));
        for (const name of new Set(others.map((one) => one.name)))
            found.warned.push(`'${name}', which this PM2 runs too, has PORT ${port} like '${app.name}'. In cluster mode they share it: each answers some of the requests. Give each app its own port.`);
    });
    return found;
}

;// CONCATENATED MODULE: external "node:util"
const external_node_util_namespaceObject = require("node:util");
;// CONCATENATED MODULE: ./host/pm2/config-change.js







/** Compares what runs with the config. `last` is the config of the deploy that was verified last, where there is one. */
function configChanges(config, instances, last) {
    return config.map((app) => {
        const running = inOrder(instances.filter((one) => one.name === app.name && !one.module));
        const old = last.find(({ name }) => name === app.name) ?? null;
        const removed = old === null ? [] : removable(running, namesOf(old), namesOf(app));
        return { app, running, removed, change: changeOf(app, running, old, removed) };
    });
}
function changeOf(app, running, last, removed) {
    const [first] = running;
    if (first === undefined)
        return { kind: 'nothing' };
    const structure = structuralReasons(app, first, last);
    const settings = [
        ...unappliedSettings(app, running),
        ...(last === null ? [] : changedSettings(app, last)),
        ...removed.map((name) => `variable ${name} removed`),
    ];
    if (structure.length > 0)
        return { kind: 'recreate', outage: outageOf(app, running), reasons: [...structure, ...settings] };
    const { count } = expectedInstances(app);
    if (count !== running.length) {
        const byHand = last !== null && expectedInstances(last).count === count;
        const reason = `instances ${running.length} -> ${count}${byHand ? ' (changed on the server; the file decides)' : ''}`;
        const by = Math.abs(count - running.length);
        return { kind: count > running.length ? 'scale up' : 'scale down', by, reasons: [reason, ...settings] };
    }
    return settings.length > 0 ? { kind: 'reload', reasons: settings } : { kind: 'nothing' };
}
/** What is settled for good when PM2 starts an app. */
function structuralReasons(app, first, last) {
    const { mode } = expectedInstances(app);
    const given = app.exec_mode ?? app.execMode ?? app.execute_command;
    // Where the file leaves the mode to PM2 and says what it said before, PM2 has chosen what runs.
    const asBefore = given === undefined && last !== null && expectedInstances(last).mode === mode;
    const reasons = first.execMode === mode || asBefore ? [] : [`exec_mode ${first.execMode} -> ${mode}`];
    const launcher = launcherIn(first.script) ?? launcherIn(scriptOf(app) ?? '');
    // The app is the launcher's child and has the port for itself, so that no two instances can overlap.
    if (launcher !== null && first.execMode === 'cluster' && mode === 'cluster')
        reasons.push(`${launcher} in cluster mode, which keeps the port until it ends`);
    for (const [name, byDefault] of [
        ['instance_var', 'NODE_APP_INSTANCE'],
        ['increment_var', null],
    ]) {
        const [old, now] = [first.settings[name] ?? byDefault, app[name] ?? byDefault];
        if (old !== now)
            reasons.push(`${name} ${old ?? 'none'} -> ${now ?? 'none'}`);
    }
    // It can be ended, but begins with a start alone.
    if (watches(app.watch) && !watches(first.watch))
        reasons.push('watch off -> on');
    return reasons;
}
function watches(watch) {
    return watch !== undefined && watch !== null && watch !== false && watch !== '';
}
/** Instances that PM2 watches, and is not to watch any more. */
function watchedInVain({ app, running }) {
    return watches(app.watch) ? [] : running.filter((one) => watches(one.watch));
}
/** Settings that PM2's own reload leaves, as far as what runs shows them. */
function unappliedSettings(app, running) {
    const script = scriptFile(app);
    const differs = (find) => running.find(find);
    const cwd = differs((one) => realOrSame(one.cwd) !== realOrSame(app.cwd));
    const file = differs((one) => script !== null && realOrSame(one.script) !== realOrSame(script));
    const waits = differs((one) => one.waitReady && (app.wait_ready ?? app.waitReady) !== true);
    return [
        ...(cwd === undefined ? [] : [`cwd ${cwd.cwd} -> ${app.cwd}`]),
        ...(file === undefined ? [] : [`script ${file.script} -> ${script}`]),
        ...(waits === undefined ? [] : ['wait_ready true -> false']),
        ...(!watches(app.watch) && running.some((one) => watches(one.watch)) ? ['watch on -> off'] : []),
    ];
}
/** PM2's own reload leaves these whatever the file says. */
const NEVER_APPLIED = /^((out|err|error|log|pid)(_file|_log)?|output|interpreter|exec_?interpreter)$/i;
/** Compared with what runs, or given by PM2 where the file has none: `vizion` and the like. */
const NOT_REMOVED = /^(name|script|exec|cmd|command|cwd|env(_.*)?|instances|exec_?mode|wait_?ready|(instance|increment)_var|watch|autostart|autorestart|vizion|pmx|automation|treekill|windows_?hide|kill_?retry_?time)$/i;
/** Settings that PM2's own reload leaves, of which only the two files tell. */
function changedSettings(app, last) {
    return [...new Set([...Object.keys(last), ...Object.keys(app)])]
        .filter((name) => !NOT_REMOVED.test(name) && !(0,external_node_util_namespaceObject.isDeepStrictEqual)(app[name], last[name]))
        .filter((name) => NEVER_APPLIED.test(name) || app[name] === undefined)
        .map((name) => `${name} ${app[name] === undefined ? 'removed' : 'changed'}`);
}
/** Of these variables, those that an instance has and the new version has not. */
function removable(running, candidates, kept) {
    const present = new Set(running.flatMap(({ env }) => Object.keys(env)));
    // A variable under the name of one of PM2's own fields cannot be told from that field.
    return [...new Set(candidates)].filter((name) => present.has(name) && !kept.includes(name) && !PM2_FIELDS.has(name));
}
/** Variables that the config names, for whatever `--env`. */
function namesOf(app) {
    return Object.keys(app)
        .filter((key) => key === 'env' || key.startsWith('env_'))
        .flatMap((key) => Object.keys(app[key] ?? {}));
}
/** The numbers count, not PM2's ids: what an app does in its first instance alone must go on. */
function inOrder(instances) {
    const numberOf = ({ instanceNumber, pmId }) => instanceNumber ?? pmId;
    return instances.sort((a, b) => numberOf(a) - numberOf(b) || a.pmId - b.pmId);
}
/** The longest that a stop and a start should take, in milliseconds, by the app's own limits or PM2's. */
function outageOf(app, running) {
    return listenTimeoutOf(app) + Math.max(...running.map(killTimeoutOf));
}
/** What will be done about the differences, one sentence for each app that has any. */
function foretell(changes) {
    return changes.flatMap(({ app, change }) => {
        if (change.kind === 'nothing')
            return [];
        const what = `'${app.name}': ${change.reasons.join('; ')}`;
        switch (change.kind) {
            case 'reload':
                return `${what}. PM2's own reload ignores that; this deploy applies it.`;
            case 'scale up':
                return `${what}. ${change.by} will be added when the others run the new version.`;
            case 'scale down':
                return `${what}. The last ${change.by} will be removed when the others run the new version.`;
            case 'recreate':
                return `${what}. This needs a stop and a start. Expect up to ${Math.ceil(change.outage / 1000)} s of refused connections.`;
            default:
                return [];
        }
    });
}
/** For `on-config-change: fail`. */
function refuseChanges(changes) {
    const found = changes.flatMap(({ app, change, running }) => change.kind === 'nothing'
        ? []
        : [{ what: `'${app.name}': ${change.reasons.join('; ')}`, command: commandFor(app, change, running) }]);
    if (found.length === 0)
        return;
    throw new DeployFailure(`PM2's reload would not apply these changes of the ecosystem file: ${found.map(({ what }) => what).join('. ')}.`, {
        remedy: `Run on the server ${found.map(({ command }) => `'${command}'`).join(' and ')}. Then run this job again. Or set on-config-change to apply, and the deploy does it.`,
    });
}
function commandFor(app, change, running) {
    const onlyCount = change.kind !== 'nothing' && change.reasons.length === 1;
    if (change.kind === 'scale up' && onlyCount)
        return `pm2 scale ${app.name} ${running.length + change.by}`;
    if (change.kind === 'scale down' && onlyCount) {
        // PM2's own scale would remove the first ones.
        return `pm2 delete ${running
            .slice(-change.by)
            .map(({ pmId }) => pmId)
            .join(' ')}`;
    }
    return `pm2 delete ${app.name}`;
}

;// CONCATENATED MODULE: ./host/deploy/fit.js






/**
 * Refuses what PM2 runs beside a config that cannot be deployed over it. Gives what will be done beyond a reload, in
 * sentences.
 */
function requireFit({ places, plan }, config, running, current) {
    refuseForeign(places.top, running);
    const changes = configChanges(config, running, current?.config ?? []);
    if (plan.onConfigChange === 'fail')
        refuseChanges(changes);
    return foretell(changes);
}
/** Refuses, as soon as the new config is known, what could not be deployed over what PM2 runs. */
async function refuseMisfit(context, config, current) {
    const { pm2, plan, log } = context;
    const { refused, warned } = sharedPorts(config, plan.pm2Env, await pm2.list());
    if (refused.length > 0)
        throw new DeployFailure(refused.join(' '), {
            remedy: 'Give each app its own PORT, or name the apps to deploy in `app`.',
        });
    for (const text of warned)
        warn(log, text);
    const { instances } = await readBaseline(pm2, fit_namesOf(config));
    requireFit(context, config, instances, current);
    // A rollback takes away what the version that it leaves has added.
    if (plan.mode !== 'rollback')
        refuseLeftOut(leftOut(context, config, current, await pm2.list()));
}
/** Apps of the last deploy that the file no longer has and that still run. None where only some apps are deployed. */
function leftOut({ plan, places }, config, current, all) {
    if (plan.apps.length > 0 || current === null)
        return [];
    const left = fit_namesOf(current.config).filter((name) => !fit_namesOf(config).includes(name));
    const runs = (name) => all.some((one) => one.name === name && isWithin(places.top, realOrSame(one.cwd)));
    return left.filter(runs);
}
function fit_namesOf(apps) {
    return apps.map(({ name }) => name);
}
/** What the file has left out would go on serving the old version. */
function refuseLeftOut(running) {
    if (running.length === 0)
        return;
    throw new DeployFailure(`The ecosystem file no longer has ${running.map((name) => `'${name}'`).join(', ')}, which the last deploy started and which still runs.`, {
        remedy: `It would go on serving the old version. Delete it on the server ('pm2 delete ${running[0]}') or put it back into the file. Or name the apps to deploy in app.`,
    });
}
/** An app of the same name that runs from elsewhere is another deploy's, and a reload would replace it. */
function refuseForeign(top, instances) {
    for (const { name, cwd } of instances) {
        if (!isWithin(top, realOrSame(cwd))) {
            throw new DeployFailure(`PM2 runs an app named '${name}' from ${cwd}, outside ${top}, so it belongs to something else.`, {
                remedy: `If this deploy is not for '${name}', name its apps in \`app\`. Otherwise give this app another name, or delete the other one on the server: 'pm2 delete ${name}'.`,
            });
        }
    }
}

;// CONCATENATED MODULE: ./host/state/replaced.js










const replaced_common = {
    deployId: checked_text,
    over: checked_text,
    sha: checked_text,
    record: checked_text,
    fingerprint: checked_text,
    abi: noted,
};
const replaced_format1 = (value, at) => {
    const { ops, ...rest } = fields({ ...replaced_common, ops: listOf(swapOp) })(value, at);
    return { ...rest, files: { layout: 'in-place', ops } };
};
const inPlace = fields({ layout: oneOf(['in-place']), ops: listOf(swapOp) });
const ownDirectory = fields({
    layout: oneOf(['releases']),
    release: checked_text,
    until: (value = null, at) => orNull(moment)(value, at),
});
const files = (value, at) => object(value, at).layout === 'releases' ? ownDirectory(value, at) : inPlace(value, at);
const replaced_format2 = fields({ ...replaced_common, files });
const replaced_FORMAT = {
    what: 'The record of a version that was replaced',
    readers: [replaced_format1, replaced_format2],
};
const PREFIX = 'replaced-';
const fileOf = (state, deployId) => (0,external_node_path_namespaceObject.join)(state, `${PREFIX}${deployId}.json`);
/** Returns once it is on disk. */
function saveReplaced(state, replaced) {
    writeVersioned(fileOf(state, replaced.deployId), replaced_FORMAT, replaced);
}
/** All that can be read, in no order. One that cannot be costs time only: its version is built anew. */
function loadReplaced(state) {
    return idsIn(state).flatMap((id) => readIfUsable(fileOf(state, id), replaced_FORMAT) ?? []);
}
/** The directory that has its files. */
function placeOfReplaced({ top, beside }, { deployId, files }) {
    return files.layout === 'releases' ? (0,external_node_path_namespaceObject.join)(releasesIn(top), files.release) : (0,external_node_path_namespaceObject.join)(beside, deployId, 'kept');
}
/** Removes the records of all but these deploys. */
function forgetReplaced(state, but) {
    for (const id of idsIn(state))
        if (!but.has(id))
            (0,external_node_fs_namespaceObject.rmSync)(fileOf(state, id), { force: true });
}
/**
 * Those that can be gone back to from the version with the record `current`, in one step or in several, the nearest first.
 * Each version is in it once, and the current one is not.
 */
function reachable(all, current) {
    const seen = new Set([buildOf(current)]);
    const found = [];
    for (let from = [buildOf(current)]; from.length > 0;) {
        const next = all.filter(({ over }) => from.includes(buildOf(over)));
        from = [];
        for (const one of next) {
            const build = buildOf(one.record);
            if (seen.has(build))
                continue;
            seen.add(build);
            found.push(one);
            from.push(build);
        }
    }
    return found;
}
function idsIn(state) {
    const names = exists(state) ? (0,external_node_fs_namespaceObject.readdirSync)(state) : [];
    return names
        .filter((name) => name.startsWith(PREFIX) && name.endsWith('.json'))
        .map((name) => name.slice(PREFIX.length, -'.json'.length));
}

;// CONCATENATED MODULE: ./host/canary/own-entries.js





/**
 * Shows staging the app's own entries of live, which no deploy put there (`.env`, `uploads/`, a database): each as a link,
 * wherever staging has nothing. A canary then sees what the live app sees, and what it writes there is not lost.
 */
function linkOwn(own, live, staging) {
    for (const path of own) {
        const link = (0,external_node_path_namespaceObject.join)(staging, path);
        if (exists(link))
            continue;
        (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(link), { recursive: true });
        (0,external_node_fs_namespaceObject.symlinkSync)((0,external_node_path_namespaceObject.join)(live, path), link);
    }
}
/**
 * Moves databases that a command made in staging to their place in live, as the first migration of an app with SQLite makes
 * one: the app will look for it there. `left` are those whose place in live is taken. Both with `-wal` and the like.
 */
function bringDatabases(staging, live, version) {
    const tree = live_tree_readTree(staging, staging);
    const made = [];
    const visit = (directory, known) => {
        for (const entry of (0,external_node_fs_namespaceObject.readdirSync)((0,external_node_path_namespaceObject.join)(staging, directory), { withFileTypes: true })) {
            if (entry.name === '.git' || entry.name === 'node_modules')
                continue;
            const path = (0,external_node_path_namespaceObject.join)(directory, entry.name);
            const there = known?.entries.get(entry.name);
            if (entry.isDirectory())
                visit(path, there?.kind === 'directory' ? there : null);
            else if (there === undefined && tree.isDatabase(path))
                made.push(path);
        }
    };
    visit('', version);
    // All are found before the first is moved: `-wal` is told by the database beside it.
    const brought = made.filter((path) => {
        (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.join)(live, path)), { recursive: true });
        return renameIfFree((0,external_node_path_namespaceObject.join)(staging, path), (0,external_node_path_namespaceObject.join)(live, path), () => { });
    });
    return { brought, left: made.filter((path) => !brought.includes(path)) };
}

;// CONCATENATED MODULE: ./host/swap/match-mode.js



const SETGID = 1024n;
const PERMISSIONS = 4095n;
/**
 * Gives what is about to come to live the group, mode and owner of what it replaces, or of the directory that it comes
 * to as if it were made there: a rename keeps staging's, and a web server of another group could no longer read it.
 * The owner is changed only by root; a group that this user may not give is left. Returns the paths that were left so.
 */
function matchOwnership(places, ops) {
    const isRoot = process.geteuid?.() === 0;
    const refused = new Set();
    const dress = (path, coming, look, mode) => {
        const file = `${places.staging}/${path}`;
        // A file with several names belongs to a package store, and perhaps to live, as well.
        if (coming.isFile() && coming.nlink > 1n)
            return;
        const uid = look.uid ?? coming.uid;
        const gid = look.gid ?? coming.gid;
        let touched = false;
        if (uid !== coming.uid || gid !== coming.gid) {
            touched = permitted(() => (0,external_node_fs_namespaceObject.lchownSync)(file, Number(uid), Number(gid)));
            if (!touched)
                refused.add(path);
        }
        // Giving a file away can take mode bits off it.
        if (coming.isSymbolicLink() || (!touched && mode === (coming.mode & PERMISSIONS)))
            return;
        if (!permitted(() => (0,external_node_fs_namespaceObject.chmodSync)(file, Number(mode))))
            refused.add(path);
    };
    const match = (path, coming, replaced, inherited) => {
        const alike = replaced !== null && match_mode_kindOf(replaced) === match_mode_kindOf(coming) ? replaced : null;
        const look = replaced === null ? inherited : lookOf(replaced, isRoot, inherited);
        dress(path, coming, look, modeFor(coming, alike, look));
        if (!coming.isDirectory())
            return;
        const same = (look.uid ?? coming.uid) === coming.uid && (look.gid ?? coming.gid) === coming.gid;
        const settled = same && (look.setgid === 0n || (coming.mode & SETGID) !== 0n);
        // Below, only a counterpart in live could still ask for something else; nobody dresses packages one by one.
        if (settled && (alike === null || path.endsWith('node_modules')))
            return;
        for (const name of (0,external_node_fs_namespaceObject.readdirSync)(`${places.staging}/${path}`)) {
            const below = `${path}/${name}`;
            const one = rename_statOf(`${places.staging}/${below}`);
            if (one !== null && name !== '.git')
                match(below, one, alike === null ? null : rename_statOf(`${places.live}/${below}`), look);
        }
    };
    for (const { path, live, staging } of ops) {
        const coming = staging ? rename_statOf(`${places.staging}/${path}`) : null;
        const parent = rename_statOf((0,external_node_path_namespaceObject.dirname)(`${places.live}/${path}`));
        if (coming === null || parent === null)
            continue;
        match(path, coming, live ? rename_statOf(`${places.live}/${path}`) : null, inheritedFrom(parent, isRoot));
    }
    return [...refused];
}
/** As if it were made in that directory: by its owner where root deploys, with its group where that is passed on. */
function inheritedFrom(parent, isRoot) {
    const setgid = parent.mode & SETGID;
    return { uid: isRoot ? parent.uid : null, gid: isRoot || setgid !== 0n ? parent.gid : null, setgid };
}
function lookOf(replaced, isRoot, inherited) {
    const setgid = replaced.isDirectory() ? replaced.mode & SETGID : inherited.setgid;
    return { uid: isRoot ? replaced.uid : null, gid: replaced.gid, setgid };
}
/** A directory takes the mode of the one before, a file too, but whether it can be executed is the new version's to say. */
function modeFor(coming, replaced, look) {
    const mode = (replaced ?? coming).mode & PERMISSIONS;
    if (coming.isDirectory())
        return replaced === null ? mode | look.setgid : mode;
    if (replaced === null)
        return mode;
    const readable = mode & 292n;
    return (mode & 438n) | ((coming.mode & 64n) !== 0n ? readable >> 2n : 0n);
}
function match_mode_kindOf(stat) {
    return stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other';
}
/** False if this user may not. */
function permitted(change) {
    try {
        change();
        return true;
    }
    catch (error) {
        if (codeOf(error) === 'EPERM')
            return false;
        throw error;
    }
}

;// CONCATENATED MODULE: ./host/swap/swap.js








/** A path that is written again each time that it is set aside is given up after this many times. */
const TRIES = 100;
/** So many things of one path can be set aside. */
const ASIDES = 10_000;
/**
 * Puts the new version in place: of each path, live → kept, then staging → live. What is done already is told by what
 * is on disk alone, so it can be run again after a kill at any point, of itself or of `swapBackward`. Nothing is ever
 * overwritten. Returns once the directories are on disk. Throws a DeployFailure if something is gone, or in the way
 * for good; then `swapBackward` restores.
 */
function swapForward(places, ops, onStep = () => { }) {
    return carryOut(places, ops, onStep, forward);
}
/** The same list backwards, live → staging and then kept → live, by the same rules. What never went is left. */
function swapBackward(places, ops, onStep = () => { }) {
    return carryOut(places, [...ops].reverse(), onStep, backward);
}
/** Whether every path of the list has gone to where the new version wants it, and none came back. */
function isForward({ staging, kept }, ops) {
    return ops.every((op) => (!op.staging || rename_statOf(`${staging}/${op.path}`) === null) &&
        (!op.live || rename_statOf(`${kept}/${op.path}`) !== null));
}
/**
 * Checks, before anything is touched, that the list can be carried out: what it names is there, nothing is in the way,
 * no mount point is crossed, and this user may rename it all. Throws a DeployFailure.
 */
function checkSwap(places, ops) {
    const device = rename_statOf(places.staging)?.dev;
    const mounted = mountPoints();
    const top = realOrSame(places.live);
    for (const { path, live, staging } of ops) {
        const refuse = (what, remedy = 'Run the job again.') => {
            throw new DeployFailure(`${JSON.stringify(path)} ${what}. Nothing was changed.`, { remedy });
        };
        const at = `${top}/${path}`;
        const here = rename_statOf(`${places.live}/${path}`);
        if ((here !== null) !== live)
            refuse(`has ${live ? 'gone from' : 'come up in'} the live directory meanwhile`);
        if ((rename_statOf(`${places.staging}/${path}`) !== null) !== staging)
            refuse('has changed in the finished build');
        if (rename_statOf(`${places.kept}/${path}`) !== null)
            refuse('was replaced already');
        if (here !== null && (here.dev !== device || mounted.some((point) => isWithin(at, point))))
            refuse('is a mount point, or holds one', 'Mount a directory that neither git nor the build makes.');
        // A directory's own entry `..` changes when it moves to another parent.
        const mustWrite = [
            (0,external_node_path_namespaceObject.dirname)(`${places.live}/${path}`),
            ...(here?.isDirectory() ? [`${places.live}/${path}`] : []),
        ];
        if (!mustWrite.every(isWritable))
            refuse('may not be moved by the deploying user', 'Give the files of path to that user, or deploy as their owner.');
    }
}
function carryOut({ live, staging, kept }, ops, onStep, direction) {
    const work = { kept, reappeared: new Set(), onStep };
    for (const op of ops) {
        const { path } = op;
        if (path.split('/').some((name) => ['', '.', '..', '.git'].includes(name)))
            throw new Error(`${JSON.stringify(path)} can be no path of a swap`);
        const spot = { path, live: `${live}/${path}`, staging: `${staging}/${path}`, kept: `${kept}/${path}` };
        try {
            direction(work, spot, op);
        }
        catch (error) {
            if (error instanceof DeployFailure)
                throw error;
            const message = `${JSON.stringify(path)} could not be swapped: ${error.message}`;
            throw new DeployFailure(message, { cause: error });
        }
    }
    const parents = [...parentsOf(ops.map(({ path }) => path))];
    if (direction === backward)
        removeEmptied(kept, parents);
    for (const parent of parents) {
        for (const root of [live, staging, kept])
            attempt(() => sync(`${root}/${parent}`));
    }
    return { reappeared: [...work.reappeared] };
}
/**
 * What is where tells how far a path has come. Where two places name one file, a kill came between the two halves of
 * `renameIfFree`: the second half is made up for, or the first undone. Hard links that were there before do not look
 * like that, since there is never both a kept and a coming file beside a live one otherwise.
 */
function forward(work, spot, op) {
    const kept = op.live ? rename_statOf(spot.kept) : null;
    const coming = op.staging ? rename_statOf(spot.staging) : null;
    let here = rename_statOf(spot.live);
    if (isSameFile(kept, here) && (coming !== null || !op.staging)) {
        removeName(spot.live, work.onStep);
        here = null;
    }
    if (!op.staging) {
        // What is in live beside a kept one came up after it: the new version has nothing that could be in its way.
        if (here !== null && kept === null)
            keep(work, spot);
        return;
    }
    if (coming === null) {
        if (op.live ? kept === null : here === null)
            throw gone(spot, 'the finished build');
        return;
    }
    if (isSameFile(here, coming) && (kept !== null || !op.live)) {
        removeName(spot.staging, work.onStep);
        return;
    }
    if (op.live && kept === null) {
        if (here === null)
            throw gone(spot, 'the live directory');
        keep(work, spot);
    }
    place(work, spot, spot.staging);
}
function backward(work, spot, op) {
    const kept = op.live ? rename_statOf(spot.kept) : null;
    // Never kept, or restored already: what is in live is not the new version's.
    if (op.live && kept === null)
        return;
    const returned = op.staging ? rename_statOf(spot.staging) : null;
    const here = rename_statOf(spot.live);
    if (isSameFile(here, returned))
        removeName(spot.live, work.onStep);
    else if (isSameFile(here, kept) && (returned !== null || !op.staging)) {
        removeName(spot.kept, work.onStep);
        return;
    }
    else if (here !== null && op.staging && returned === null) {
        (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(spot.staging), { recursive: true });
        (0,external_node_fs_namespaceObject.renameSync)(spot.live, spot.staging);
        work.onStep();
    }
    if (kept === null)
        return;
    (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(spot.live), { recursive: true });
    place(work, spot, spot.kept);
}
function keep(work, spot) {
    (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(spot.kept), { recursive: true });
    (0,external_node_fs_namespaceObject.renameSync)(spot.live, spot.kept);
    work.onStep();
}
/** Moves something into live. The app may write there at any moment: that is set aside first, as often as it comes. */
function place(work, spot, from) {
    for (let tries = 0; tries < TRIES; tries++) {
        if (rename_statOf(spot.live) !== null)
            setAside(work, spot);
        if (renameIfFree(from, spot.live, work.onStep))
            return;
    }
    throw new DeployFailure(`${JSON.stringify(spot.path)} was written again each time that it was replaced.`, {
        remedy: 'Stop what writes there, and run the job again.',
    });
}
function setAside(work, spot) {
    for (let n = 0; n < ASIDES; n++) {
        const aside = `${work.kept}.reappeared${n === 0 ? '' : `.${n}`}/${spot.path}`;
        try {
            (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(aside), { recursive: true });
            if (rename_statOf(aside) !== null)
                continue;
            (0,external_node_fs_namespaceObject.renameSync)(spot.live, aside);
        }
        catch (error) {
            if (codeOf(error) === 'ENOENT')
                return;
            // An earlier one stands where a parent is needed.
            if (codeOf(error) === 'ENOTDIR' || codeOf(error) === 'EEXIST')
                continue;
            throw error;
        }
        work.reappeared.add(spot.path);
        work.onStep();
        return;
    }
}
function gone(spot, where) {
    return new DeployFailure(`${JSON.stringify(spot.path)} has gone from ${where} in the middle of the swap.`);
}
/** The parents that `keep` made are empty once everything is back. */
function removeEmptied(kept, parents) {
    const deepestFirst = parents.filter((path) => path !== '').sort((a, b) => b.length - a.length);
    for (const parent of deepestFirst)
        attempt(() => (0,external_node_fs_namespaceObject.rmdirSync)(`${kept}/${parent}`));
}
/** For what is well meant and may fail: a directory that is not there, a filesystem that cannot sync one. */
function attempt(work) {
    try {
        work();
    }
    catch {
        // Nothing depends on it.
    }
}

;// CONCATENATED MODULE: ./host/swap/strays.js





/** False if live has something there or in the way, or where it has gone by itself: no reason to stop a rollback. */
function moveBack(from, to) {
    try {
        (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(to), { recursive: true });
        return rename_statOf(to) === null && renameIfFree(from, to, () => { });
    }
    catch {
        return false;
    }
}
/**
 * Brings the app's own things back to live that went along in a directory which was moved as a whole: an app writes at
 * any moment, so something can come up in such a directory after the swap was listed, or while its version was live.
 * `from` is kept after a swap forward, staging after one backward; `tracked` and `generated` are those of the version
 * that lies there now, and `given` the files that the deploy's inputs brought to it. Without a record (null) nothing can be
 * told apart, and nothing is brought. May be run again.
 */
function bringBack(from, live, version, ops) {
    const strays = { brought: [], left: [] };
    if (version.generated === null)
        return strays;
    const known = knownTree(version.tracked, version.generated, 'known');
    const visit = (directory, old) => {
        if (isOfOneVersion(directory))
            return;
        for (const entry of (0,external_node_fs_namespaceObject.readdirSync)(`${from}/${directory}`, { withFileTypes: true })) {
            const path = `${directory}/${entry.name}`;
            const there = old.entries.get(entry.name);
            if (there?.kind === 'directory' && entry.isDirectory())
                visit(path, there);
            else if (there === undefined && entry.name !== '.git' && version.given?.includes(path) !== true) {
                const moved = moveBack(`${from}/${path}`, `${live}/${path}`);
                strays[moved ? 'brought' : 'left'].push(path);
            }
        }
    };
    for (const { path } of ops) {
        const there = at(known, path);
        if (there?.kind === 'directory' && rename_statOf(`${from}/${path}`)?.isDirectory())
            visit(path, there);
    }
    return strays;
}

;// CONCATENATED MODULE: ./host/deploy/in-place-swap.js










function swapPlaces({ places }, { staging, kept }) {
    // Whoever may write to the parent of `path` could have exchanged them since the build.
    requirePrivate((0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.dirname)(kept)), (0,external_node_path_namespaceObject.dirname)(kept));
    return { live: places.live, staging, kept };
}
/** Where the index as it was lies, for a rollback. */
function keptIndex({ kept }) {
    return (0,external_node_path_namespaceObject.join)(kept, '..', 'index');
}
/** Puts the new version's files in place. The transaction is on disk already; the end of the swap joins it. */
async function swapIn(context, transaction, swap) {
    const { places, git } = context;
    const { current, sha } = transaction;
    const { head, kept, ops } = swap;
    tellReappeared(context, swap, swapForward(swapPlaces(context, swap), ops));
    if (head.sha !== null) {
        const tracked = await trackedFiles(git, head.sha);
        tellStrays(context, bringBack(kept, places.live, { tracked, generated: loadRecord(places.state, current?.record ?? null) }, ops));
    }
    await moveHead(git, head, sha, keptIndex(swap), context.plan.localChanges === 'save');
    transaction.swapped = momentNow();
    saveTransaction(places.state, transaction);
}
/** Brings the old version's files back, from wherever `swapIn` has come. Can be run again. */
async function swapOut(context, transaction, swap) {
    if (transaction.restored)
        return;
    const { places, git } = context;
    const { record, sha } = transaction;
    const { head, staging, ops, given } = swap;
    tellReappeared(context, swap, swapBackward(swapPlaces(context, swap), ops));
    if (exists(staging)) {
        const tracked = await trackedFiles(git, sha);
        tellStrays(context, bringBack(staging, places.live, { tracked, generated: loadRecord(places.state, record), given }, ops));
    }
    await restoreHead(git, head, keptIndex(swap));
    noteRestored(context, transaction);
}
/** To be called once the old version's files are back. */
function noteRestored({ places, log }, transaction) {
    transaction.restored = true;
    transaction.restoredAt = momentNow();
    try {
        saveTransaction(places.state, transaction);
    }
    catch (error) {
        // On a full disk the app matters more: what is done already can be done again.
        warn(log, `Could not write the transaction: ${error.message}`);
    }
}
function tellReappeared({ log }, { kept }, { reappeared }) {
    for (const path of reappeared) {
        warn(log, `The app wrote to ${path} while it was replaced. That copy is kept in ${kept}.reappeared.`);
    }
}
function tellStrays({ log }, { brought, left }) {
    if (brought.length > 0)
        inform(log, `The app wrote these files while they were replaced. They are back: ${brought.slice(0, 20).join(', ')}.`);
    if (left.length > 0)
        warn(log, `The app wrote these files into directories that were replaced. The live directory has other ones now: ${left.slice(0, 20).join(', ')}.`);
}
/** Whether the new version's files are all in place, whatever was written down of it. */
function isSwappedIn(context, swap) {
    return isForward(swapPlaces(context, swap), swap.ops);
}

;// CONCATENATED MODULE: ./host/git/local-patch.js




/** More paths than these could be too many for one command line: then the patch has every change. */
const MOST_PATHS = 1_000;
/** A form of patch that no setting of the user's changes, and that has all: binary files, modes, deletions. */
const WHOLE = [
    ...['--binary', '--full-index', '--no-renames', '--unified=3', '--inter-hunk-context=0'],
    ...['--no-ext-diff', '--no-textconv', '--no-color', '--ignore-submodules=all'],
];
/**
 * Saves local changes of tracked files, staged or not, as one patch against the commits that are checked out. Returns the
 * files that it made, all 0600 and on disk: the patch, and a second one if what is staged is not what the files hold.
 * Throws a `DeployFailure` if the patch does not have it all.
 */
async function saveLocalPatch(live, changed, file) {
    await writePatch(file, changed, []);
    const check = ['-c', 'apply.whitespace=nowarn', 'apply', '--check', '--reverse', file];
    const result = await live.attempt(check);
    if (result.code !== 0) {
        (0,external_node_fs_namespaceObject.rmSync)(file, { force: true });
        throw new DeployFailure(`The local changes in ${live.directory} cannot be saved as a patch, so they were left as they are.`, {
            output: result.tail,
            remedy: `Look at them on the server with 'git -C ${live.directory} status', and commit and push them, or drop them.`,
        });
    }
    if (!(await hasTwoStates(changed)))
        return [file];
    const staged = file.replace(/\.patch$/, '.staged.patch');
    await writePatch(staged, changed, ['--cached']);
    return [file, staged];
}
async function writePatch(file, changed, options) {
    const part = `${file}.part`;
    const descriptor = (0,external_node_fs_namespaceObject.openSync)(file, 'wx', 0o600);
    try {
        for (const { git, prefix, paths } of changed) {
            // Git writes it itself: not every text file is UTF-8.
            (0,external_node_fs_namespaceObject.closeSync)((0,external_node_fs_namespaceObject.openSync)(part, 'w', 0o600));
            const names = [`--src-prefix=a/${prefix}`, `--dst-prefix=b/${prefix}`, `--output=${part}`];
            const chosen = paths.length > MOST_PATHS ? [] : paths;
            await git.text(['--literal-pathspecs', 'diff', ...options, ...WHOLE, ...names, 'HEAD', '--', ...chosen], 'Saving local changes');
            (0,external_node_fs_namespaceObject.appendFileSync)(descriptor, (0,external_node_fs_namespaceObject.readFileSync)(part));
        }
        (0,external_node_fs_namespaceObject.fsyncSync)(descriptor);
    }
    catch (error) {
        (0,external_node_fs_namespaceObject.rmSync)(file, { force: true });
        throw error;
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(descriptor);
        (0,external_node_fs_namespaceObject.rmSync)(part, { force: true });
    }
    sync((0,external_node_path_namespaceObject.dirname)(file));
}
async function hasTwoStates(changed) {
    for (const { git } of changed) {
        const staged = await git.attempt(['diff', '--cached', '--quiet', '--ignore-submodules=all', 'HEAD']);
        const since = await git.attempt(['diff', '--quiet', '--ignore-submodules=all']);
        if (staged.code === 1 && since.code === 1)
            return true;
    }
    return false;
}

;// CONCATENATED MODULE: ./host/deploy/live-checkout.js














/** The checkout whose files run now, and git in it. */
function liveCheckout({ places, git, gitIn }) {
    const tree = treeOf(places);
    return { tree, treeGit: tree === places.top ? git : gitIn(tree) };
}
/**
 * Tracked files of the live checkout that are not as its commit and our deploys left them. Any is refused, unless the plan
 * lets the deploy save them.
 */
async function checkLive(context, generatedOld) {
    refuseOtherLayout(context);
    refuseLostLink(context);
    await refuseGitLocks(context.git);
    const changes = live_checkout_pathsOf(await changesIn(context, generatedOld));
    if (context.plan.localChanges === 'fail')
        refuseLocalChanges(treeOf(context.places), changes);
    return changes;
}
/** Where each version has a directory, `path` itself has files of none. */
function refuseOtherLayout({ plan, places: { top } }) {
    if (plan.layout.kind === 'releases' || !isWithin(releasesIn(top), realOrSame(currentIn(top))))
        return;
    throw new DeployFailure(`${top} is laid out in releases, and layout is in-place.`, {
        remedy: 'Set layout to releases. Or deploy in place to another directory.',
    });
}
/** Without the link nobody knows which version runs: the files in `path` itself are of none. */
function refuseLostLink({ plan, places: { top, live, state } }) {
    const releases = releasesIn(top);
    if (plan.layout.kind !== 'releases' || isWithin(releases, realOrSame(live)))
        return;
    const current = loadCurrent(state);
    if (current?.config.some(({ cwd }) => isWithin(live, cwd)) !== true)
        return;
    const transaction = loadTransaction(state);
    const swap = transaction?.swap.layout === 'releases' ? transaction.swap : null;
    const last = transaction?.deployId === current.deployId ? swap?.staging : swap?.previous;
    const others = (0,external_node_fs_namespaceObject.existsSync)(releases) ? (0,external_node_fs_namespaceObject.readdirSync)(releases).map((name) => (0,external_node_path_namespaceObject.join)(releases, name)) : [];
    const release = [last ?? releases, ...others].find((path) => path !== releases && (0,external_node_fs_namespaceObject.existsSync)(path));
    // With no version left there is nothing to lead to: the next one is the first one again.
    if (release === undefined)
        return;
    const link = `'ln -sfn ${release} ${live}'`;
    throw new DeployFailure(`${live} ${stateOfLink(live)}. It has to lead to the version that was deployed last.`, {
        remedy: rename_statOf(live)?.isSymbolicLink() === false
            ? `Move it away on the server. Then make the link again: ${link}.`
            : `Let it lead to a version again, on the server: ${link}.`,
    });
}
function stateOfLink(link) {
    const stat = rename_statOf(link);
    if (stat === null)
        return 'is gone';
    if (!stat.isSymbolicLink())
        return 'is no link';
    return (0,external_node_fs_namespaceObject.existsSync)(link) ? `leads to ${realOrSame(link)}` : 'leads to a directory that is gone';
}
/** Local changes, those in submodules too where no record of ours has their files. */
async function changesIn(context, generatedOld) {
    const { tree, treeGit } = liveCheckout(context);
    const checkouts = [{ git: treeGit, prefix: '', traces: generatedOld ?? NO_TRACES }];
    for (const path of generatedOld === null ? await oldSubmodules(context) : [])
        checkouts.push({ git: context.gitIn((0,external_node_path_namespaceObject.join)(tree, path)), prefix: `${path}/`, traces: NO_TRACES });
    const found = [];
    for (const { git: one, prefix, traces } of checkouts) {
        const paths = await localChanges(one.directory, one, traces);
        if (paths.length > 0)
            found.push({ git: one, prefix, paths });
    }
    return found;
}
function live_checkout_pathsOf(changed) {
    return changed.flatMap(({ prefix, paths }) => paths.map((path) => prefix + path));
}
/** Saves local changes as a patch in the app's state directory, which no deploy ever removes, and says where it is. */
async function saveChanges(context, generatedOld) {
    const { places, plan } = context;
    const { tree, treeGit } = liveCheckout(context);
    const changed = await changesIn(context, generatedOld);
    if (changed.length === 0)
        return;
    const date = new Date().toISOString().slice(0, 10);
    const file = (0,external_node_path_namespaceObject.join)(places.state, `local-changes-${date}-${plan.deployId}.patch`);
    const files = await saveLocalPatch(treeGit, changed, file);
    const count = live_checkout_pathsOf(changed).length;
    warn(context.log, `${count} tracked ${count === 1 ? 'file has' : 'files have'} local changes. They are saved on the server in ${files.join(' and ')}. Look at them with 'git apply --stat ${file}'. Bring them back with 'git -C ${tree} apply --3way ${file}'.`);
}
const NO_TRACES = { rewritten: {}, deleted: [] };
/** Submodules of a checkout that was made by hand; what a deploy of ours made of them is in its record. */
async function oldSubmodules({ git, gitIn }) {
    const { sha } = await readHead(git);
    return sha === null ? [] : submodulePaths(git, gitIn, sha);
}
/** The files of the version that is live, those of submodules too where no record of ours has them. */
async function oldFiles(context, head, generatedOld) {
    const { places, git, gitIn } = context;
    if (head.sha === null)
        return new Map();
    const files = await trackedFiles(git, head.sha);
    for (const path of generatedOld === null ? await oldSubmodules(context) : []) {
        const within = await trackedFiles(gitIn((0,external_node_path_namespaceObject.join)(places.top, path)), 'HEAD');
        for (const [inner, fingerprint] of within)
            files.set(`${path}/${inner}`, fingerprint);
    }
    return files;
}
/**
 * Compares the staged version with the one that runs, and says what would have to be exchanged in place. Refuses what would
 * touch something of the app's own. Changes nothing in live.
 */
async function compare(context, staged, head, generatedOld) {
    const { places, git } = context;
    const { tree, treeGit } = liveCheckout(context);
    const [trackedOld, trackedNew, flagged] = await Promise.all([
        oldFiles(context, head, generatedOld),
        trackedFiles(git, staged.sha),
        flaggedFiles(treeGit),
    ]);
    const { collisions, adopted, same, ...found } = await swapList({
        live: tree,
        staging: staged.staging,
        hidden: new Set(tree === places.top && context.plan.layout.kind === 'releases' ? LAYOUT_NAMES : []),
        trackedOld,
        trackedNew,
        generatedOld,
        generatedNew: staged.generated,
        given: staged.given,
        flagged,
        changed: new Set(context.plan.localChanges === 'save' ? live_checkout_pathsOf(await changesIn(context, generatedOld)) : []),
        pinned: workingDirectories(context, staged.config),
        ignored: (paths) => ignoredPaths(treeGit, paths),
    });
    refuseCollisions(collisions);
    if (adopted.length > 0)
        inform(context.log, `Taken as output of earlier builds, and replaced from now on: ${adopted.join(', ')}.`);
    if (same.length > 0) {
        staged.generated = disown(staged.generated, same);
        staged.record = saveRecord(places.state, context.plan.deployId, staged.generated);
    }
    return { ...found, same };
}
function refuseCollisions(collisions) {
    const [first] = collisions;
    if (first === undefined)
        return;
    const more = collisions.length > 1 ? ` ${collisions.length - 1} more are listed above.` : '';
    throw new DeployFailure(`The new version would overwrite something that no deploy made: ${describeCollision(first)}${more}`, {
        output: collisions.map(describeCollision),
        remedy: 'Move it away on the server, or remove it from the new version. Then run the job again.',
    });
}
/** Processes stand in these: renamed away, they would be in the old version for ever. Relative to live. */
function workingDirectories({ places }, config) {
    const within = config
        .filter(({ cwd }) => isWithin(places.live, cwd))
        .map(({ cwd }) => (0,external_node_path_namespaceObject.relative)(places.live, cwd));
    return [(0,external_node_path_namespaceObject.relative)(places.live, places.workDir), ...within].filter((path) => path !== '');
}

;// CONCATENATED MODULE: ./host/deploy/in-place.js









/** Lists the renames that make the staged version live, and refuses where one would touch what is the app's own. */
async function listSwap(context, staged, head, generatedOld) {
    const { places } = context;
    const { ops, own, version } = await compare(context, staged, head, generatedOld);
    const { staging, kept } = staged;
    const swap = { layout: 'in-place', head, staging, kept, ops, given: [...staged.given] };
    const showOwn = () => {
        requirePrivate(places.beside, (0,external_node_path_namespaceObject.dirname)(staging));
        linkOwn(own(), places.live, staging);
    };
    return { swap, version, ownHome: places.live, showOwn };
}
/** Makes what replaces look like what it replaces, and brings the build to disk before it is relied upon. */
async function settle(context, swap) {
    const places = swapPlaces(context, swap);
    makePrivate(swap.kept);
    checkSwap(places, swap.ops);
    const unlike = matchOwnership(places, swap.ops);
    if (unlike.length > 0) {
        const shown = unlike.slice(0, 5).join(', ');
        warn(context.log, `This user may not set the group or mode of the files that these replace: ${shown}.`);
    }
    // Without it a power cut soon after the swap could leave empty files where the old ones were.
    await run('sync', ['-f', swap.staging], { cwd: '/', env: context.env, timeLimit: 120_000 });
}

;// CONCATENATED MODULE: ./host/swap/lasting-entries.js





/** Why something cannot move: it is a mount point, lies on another filesystem, or belongs to someone else. */
const STAYS = new Set(['EXDEV', 'EBUSY', 'EACCES', 'EPERM']);
/**
 * Links `path` of the version to `from`. If both are directories, it links what is in them. Gives the paths of the version that
 * are in the way. Can be run again.
 */
function linkLasting(linked, path, from) {
    const { release, version, given, links } = linked;
    if (given.has(path) || links.has(path))
        return [];
    const there = rename_statOf(`${release}/${path}`);
    const known = at(version, path);
    if (there === null || (known === undefined && there.isSymbolicLink())) {
        if (there === null)
            makeLink(from, `${release}/${path}`);
        learn(version, path);
        links.add(path);
        return [];
    }
    if (!there.isDirectory() || !rename_statOf(from)?.isDirectory())
        return [path];
    return (0,external_node_fs_namespaceObject.readdirSync)(from).flatMap((name) => linkLasting(linked, `${path}/${name}`, `${from}/${name}`));
}
function makeLink(target, link) {
    (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(link), { recursive: true });
    (0,external_node_fs_namespaceObject.symlinkSync)((0,external_node_path_namespaceObject.relative)((0,external_node_path_namespaceObject.dirname)(link), target), link);
}
/** Makes a link lead to `target`, whatever it led to, with no moment without one. */
function setLink(target, link) {
    const next = `${link}.pm2-ssh-deploy`;
    (0,external_node_fs_namespaceObject.rmSync)(next, { force: true });
    makeLink(target, next);
    (0,external_node_fs_namespaceObject.renameSync)(next, link);
}
/** Notes that the version has something at `path`, so that it is not taken for what a canary left. */
function learn(version, path) {
    const names = path.split('/');
    const last = names.pop() ?? '';
    let directory = version;
    for (const name of names) {
        const there = directory.entries.get(name);
        const next = there?.kind === 'directory' ? there : { kind: 'directory', tracked: false, entries: new Map() };
        directory.entries.set(name, next);
        directory = next;
    }
    if (!directory.entries.has(last))
        directory.entries.set(last, GENERATED);
}
/**
 * Moves what `from` has at `path` into `shared`, and leaves a link to it there. A `release` that has nothing of its own at `path`
 * gets a link that leads straight to `shared`. What is done already is told by the disk, so it can be run again after a kill at any point.
 * False if it stays where it is: `shared` has something else there, or it cannot be moved.
 */
function moveToShared(from, shared, path, release, onStep = () => { }) {
    const [old, place] = [(0,external_node_path_namespaceObject.join)(from, path), (0,external_node_path_namespaceObject.join)(shared, path)];
    const here = rename_statOf(old);
    if (here !== null && !here.isSymbolicLink()) {
        (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(place), { recursive: true });
        try {
            // A kill between the two names of a file has left both.
            if (isSameFile(here, rename_statOf(place)))
                removeName(old, onStep);
            else if (rename_statOf(place) !== null || !renameIfFree(old, place, onStep))
                return false;
        }
        catch (error) {
            if (STAYS.has(codeOf(error)))
                return false;
            throw error;
        }
    }
    if (rename_statOf(place) === null)
        return false;
    if (rename_statOf(old) === null) {
        makeLink(place, old);
        onStep();
    }
    if (release !== null)
        relink((0,external_node_path_namespaceObject.join)(release, path), place);
    return true;
}
/** Only a link that leads there already is exchanged: another one is the version's own. */
function relink(link, place) {
    const there = rename_statOf(link);
    const leadsThere = there?.isSymbolicLink() && realOrSame(link) === realOrSame(place);
    if (there === null || leadsThere)
        setLink(place, link);
}
/** Directories in which everything goes with the version that wrote it: packages, and caches of frameworks. */
const GOES_WITH_ITS_VERSION = /(^|\/)(node_modules|\.next|\.nuxt|\.svelte-kit|\.cache|\.turbo|\.vite|\.parcel-cache)(\/|$)/;
/** Whether all in it goes with the version that wrote it. */
function isOfItsVersion(path) {
    return GOES_WITH_ITS_VERSION.test(path);
}
/**
 * The topmost paths in a version's directory that its app has made since, without links and without env files: those each
 * version has for itself.
 */
function madeByApp(release, known) {
    const found = [];
    const visit = (directory, old) => {
        for (const entry of (0,external_node_fs_namespaceObject.readdirSync)((0,external_node_path_namespaceObject.join)(release, directory), { withFileTypes: true })) {
            const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
            if (entry.name === '.git' || isOfItsVersion(path))
                continue;
            const there = old.entries.get(entry.name);
            if (there?.kind === 'directory' && entry.isDirectory())
                visit(path, there);
            else if (there === undefined && !entry.isSymbolicLink() && !entry.name.startsWith('.env'))
                found.push(path);
        }
    };
    visit('', known);
    return found;
}

;// CONCATENATED MODULE: ./host/deploy/releases.js















/** What the staged version needs of this host: all that outlasts a version, as links. */
async function listRelease(context, staged, head, generatedOld) {
    const { places } = context;
    const { top } = places;
    const [tree, shared] = [treeOf(places), sharedIn(top)];
    const { staging } = staged;
    await refuseNames(context, tree, head);
    (0,external_node_fs_namespaceObject.mkdirSync)(shared, { recursive: true });
    const named = await giveWay(context, staged, tree);
    const { own, same, version } = await compare(context, staged, head, generatedOld);
    const lasting = whole(own().filter((path) => !isOfItsVersion(path) && !same.includes(path)), named, tree);
    const given = new Set([...staged.given, ...copyEnvFiles(lasting, tree, top, staging)]);
    for (const path of given)
        learn(version, path);
    const linked = { release: staging, version, given, links: new Set() };
    const movable = [];
    const blocked = [];
    const { isDatabase } = live_tree_readTree(tree, tree);
    for (const path of lasting) {
        const from = (0,external_node_path_namespaceObject.join)(tree, path);
        const target = rename_statOf(from)?.isSymbolicLink() ? realOrSame(from) : from;
        // What is shared already is linked below, as long as it is there.
        if (isWithin(shared, target))
            continue;
        // A version that was live before may have it itself, and the one that is live a link to that.
        if (isWithin(staging, target)) {
            learn(version, path);
            linked.links.add(path);
            continue;
        }
        const isElsewhere = target !== from && isWithin(top, target) && !isWithin(tree, target);
        blocked.push(...linkLasting(linked, path, isElsewhere ? target : from));
        if (target === from && !given.has(path) && !isDatabase(path))
            movable.push(path);
    }
    const showOwn = () => {
        refuseBlocked([...blocked, ...linkAll(linked, shared)]);
    };
    showOwn();
    const previous = tree === top ? null : tree;
    return {
        swap: { layout: 'releases', head, staging, previous, own: movable },
        version,
        ownHome: shared,
        showOwn,
    };
}
/** All that lies in `shared`. Gives what is in the way. */
function linkAll(linked, shared) {
    return live_tree_readTree(shared, shared)
        .list('', Number.POSITIVE_INFINITY)
        .flatMap(([name]) => linkLasting(linked, name, (0,external_node_path_namespaceObject.join)(shared, name)));
}
function refuseBlocked(paths) {
    if (paths.length === 0)
        return;
    throw new DeployFailure(`The server has its own ${paths.slice(0, 5).join(', ')}, and so has the new version.`, {
        remedy: 'To use the one of the server, name it in the input shared. To use the one of the commit, remove it from the directory shared on the server.',
        output: paths.slice(0, 50),
    });
}
/** The names that this layout needs in the app's directory must not be the app's. */
async function refuseNames({ places, git }, tree, head) {
    const { top, live } = places;
    const link = rename_statOf(currentIn(top));
    if (link !== null && !link.isSymbolicLink())
        throw new DeployFailure(`${live} is no link, so it cannot lead to the version that runs.`, {
            remedy: 'Layout releases needs that name. Move it away, or set path to a new directory.',
        });
    if (link !== null && tree === top)
        throw new DeployFailure(`${live} leads to a directory that is gone.`, {
            remedy: `Let it lead to a directory in ${releasesIn(top)}, or remove the link and the apps in PM2 to begin anew.`,
        });
    if (tree !== top || head.sha === null)
        return;
    const tracked = [...(await trackedFiles(git, head.sha)).keys()];
    const taken = LAYOUT_NAMES.find((name) => tracked.some((path) => path.startsWith(`${name}/`)));
    if (taken !== undefined)
        throw new DeployFailure(`The checkout at ${top} has a directory '${taken}' of its own.`, {
            remedy: 'Layout releases needs that name. Set path to a new directory.',
        });
}
/** A directory that the plan names is taken as a whole, whatever of it is tracked. */
function whole(own, named, tree) {
    const taken = named.filter((path) => {
        const stat = rename_statOf((0,external_node_path_namespaceObject.join)(tree, path));
        return stat !== null && !stat.isSymbolicLink();
    });
    const isIn = (path) => taken.some((one) => path === one || path.startsWith(`${one}/`));
    return [...own.filter((path) => !isIn(path)), ...taken];
}
/**
 * Takes what the plan names as shared out of the version, and out of its record. What the server has nowhere yet begins with the
 * version's own, or as an empty directory. Gives the names, relative to the version.
 */
async function giveWay({ plan, places, git }, staged, tree) {
    if (plan.layout.kind !== 'releases')
        return [];
    const all = plan.layout.shared.map((path) => (0,external_node_path_namespaceObject.join)(plan.workingDirectory, path));
    // Each version has what an input brought for itself.
    const named = all.filter((path) => !staged.given.includes(path) && !all.some((other) => path.startsWith(`${other}/`)));
    if (named.length === 0)
        return [];
    refuseEnvFileIn(named, staged.given);
    for (const path of named) {
        const [own, place] = [(0,external_node_path_namespaceObject.join)(staged.staging, path), (0,external_node_path_namespaceObject.join)(sharedIn(places.top), path)];
        const there = rename_statOf(own);
        const isVersions = there !== null && !there.isSymbolicLink();
        if (rename_statOf(place) === null && rename_statOf((0,external_node_path_namespaceObject.join)(tree, path)) === null) {
            if (!isVersions && isNamedLikeFile(path))
                throw missingFile(path, place);
            (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(place), { recursive: true });
            if (isVersions)
                (0,external_node_fs_namespaceObject.renameSync)(own, place);
            else
                (0,external_node_fs_namespaceObject.mkdirSync)(place);
        }
        else if (isVersions)
            (0,external_node_fs_namespaceObject.rmSync)(own, { recursive: true });
    }
    const tracked = await trackedFiles(git, staged.sha);
    staged.generated = withoutPaths(staged.generated, tracked.keys(), named);
    staged.record = saveRecordAgain(places.state, plan.deployId, staged.generated, staged.record);
    return named;
}
function refuseEnvFileIn(named, given) {
    for (const path of given) {
        const directory = named.find((one) => path.startsWith(`${one}/`));
        if (directory === undefined)
            continue;
        throw new DeployFailure(`The env file ${path} lies in ${directory}, which is shared by all versions.`, {
            remedy: 'Each version has its own env file. Set env-file-path to another directory.',
        });
    }
}
/** `.env`, or a name with an ending: as a directory it would be of no use to the app. */
function isNamedLikeFile(path) {
    return /^(\.env|.+\.\w+$)/.test((0,external_node_path_namespaceObject.basename)(path));
}
function missingFile(path, place) {
    return new DeployFailure(`shared names ${path}, and neither the server nor the commit has it.`, {
        remedy: `Put the file at ${place} on the server. If it is to be a directory, make that there.`,
    });
}
/**
 * Each version has env files of its own where `env-file` brought them: a rollback brings the old ones back. Without `env-file`
 * the last ones stay.
 */
function copyEnvFiles(paths, tree, top, staging) {
    if (tree === top)
        return [];
    const copied = paths.filter((path) => (0,external_node_path_namespaceObject.basename)(path).startsWith('.env') && rename_statOf((0,external_node_path_namespaceObject.join)(tree, path))?.isFile() === true);
    for (const path of copied) {
        const to = (0,external_node_path_namespaceObject.join)(staging, path);
        if (exists(to))
            continue;
        (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(to), { recursive: true });
        (0,external_node_fs_namespaceObject.copyFileSync)((0,external_node_path_namespaceObject.join)(tree, path), to);
    }
    return copied;
}
/** Makes the new version look like the one before, and brings it to disk before it is relied upon. */
async function settleRelease(context, { staging }) {
    const live = treeOf(context.places);
    const unlike = matchOwnership({ live, staging, kept: staging }, [{ path: '.', live: true, staging: true }]);
    if (unlike.length > 0)
        warn(context.log, `This user may not set the group or mode of the files of the new version: ${unlike.slice(0, 5).join(', ')}.`);
    await run('sync', ['-f', staging], { cwd: '/', env: context.env, timeLimit: 120_000 });
}

;// CONCATENATED MODULE: ./host/deploy/releases-swap.js















/** Where the index as it was lies, for a rollback. */
function releases_swap_keptIndex({ places }, { deployId }) {
    return (0,external_node_path_namespaceObject.join)(places.beside, deployId, 'index');
}
/** Lets the link lead to the new version, at once and for all. */
async function enterRelease(context, transaction, { head, staging, previous }) {
    const { places, git, plan } = context;
    point(places.top, staging);
    // No file that runs is of this index. What is staged in a checkout that is taken over was looked at before.
    const dropStaged = previous !== null || plan.localChanges === 'save';
    await moveHead(git, head, transaction.sha, releases_swap_keptIndex(context, transaction), dropStaged);
    transaction.swapped = momentNow();
    saveTransaction(places.state, transaction);
}
/** Lets the link lead back. Can be run again. */
async function leaveRelease(context, transaction, { head, staging, previous }) {
    if (transaction.restored)
        return;
    const { top } = context.places;
    point(top, previous);
    await releases_swap_bringBack(context, transaction, staging, previous ?? top);
    await restoreHead(context.git, head, releases_swap_keptIndex(context, transaction));
    noteRestored(context, transaction);
}
function point(top, release) {
    if (release === null)
        (0,external_node_fs_namespaceObject.rmSync)(currentIn(top), { force: true });
    else
        setLink(release, currentIn(top));
    sync(top);
}
/** What the app wrote into the new version while that was live. */
async function releases_swap_bringBack({ places, git, log }, { sha, record }, staging, tree) {
    if (!exists(staging))
        return;
    const made = await madeSinceBuilt(git, places.state, { release: staging, sha, record });
    const brought = (made ?? []).filter((path) => rename_statOf((0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.join)(tree, path)))?.isDirectory() === true &&
        moves((0,external_node_path_namespaceObject.join)(staging, path), (0,external_node_path_namespaceObject.join)(tree, path)));
    if (brought.length > 0)
        inform(log, `The app wrote these files into the new version. The old version has them now: ${brought.slice(0, 20).join(', ')}.`);
}
/** What cannot be moved is no reason to stop a rollback. */
function moves(from, to) {
    try {
        return renameIfFree(from, to, () => { });
    }
    catch {
        return false;
    }
}
/** Whether the link leads to the new version. */
function isEntered({ places }, { staging }) {
    return realOrSame(currentIn(places.top)) === realOrSame(staging);
}
/**
 * Moves what is the app's own from the version that was replaced to where all versions have it. To be called once the new one is
 * verified. Says what it did. Can be run again after a kill at any point.
 */
async function share(context, transaction, { own, staging, previous }) {
    const { top } = context.places;
    const from = previous ?? top;
    const late = previous === null ? [] : await madeIn(context, previous, transaction);
    const moved = [];
    const left = [];
    for (const path of new Set([...own, ...late])) {
        const here = rename_statOf((0,external_node_path_namespaceObject.join)(from, path));
        const isShared = moveToShared(from, sharedIn(top), path, staging);
        if (here !== null && !here.isSymbolicLink())
            (isShared ? moved : left).push(path);
    }
    const shown = (paths) => paths.slice(0, 20).join(', ');
    return [
        ...(moved.length === 0
            ? []
            : [`Moved to ${sharedIn(top)}, with links in their places: ${shown(moved)}.`]),
        ...(left.length === 0
            ? []
            : [`These stay in ${from}, because they could not be moved to ${sharedIn(top)}: ${shown(left)}.`]),
    ];
}
async function madeIn({ places, git }, release, { previousSha, current }) {
    if (previousSha === null || current === null)
        return [];
    const version = { release, sha: previousSha, record: current.record };
    const made = await madeSinceBuilt(git, places.state, version);
    const { isDatabase } = live_tree_readTree(release, release);
    // An app that has a database open must find it where it is.
    return (made ?? []).filter((path) => !isDatabase(path));
}
/** What the app has made in a version's directory since that was built; null if nothing tells what the build made. */
async function madeSinceBuilt(git, state, { release, sha, record }) {
    const generated = loadRecord(state, record);
    if (generated === null)
        return null;
    return madeByApp(release, knownTree(await trackedFiles(git, sha), generated, 'known'));
}

;// CONCATENATED MODULE: ./host/deploy/layout.js




/** Lists it; refuses what would touch something of the app's own. Changes nothing in live. */
async function listExchange(context, staged, head, generated) {
    if (context.plan.layout.kind === 'releases') {
        const listed = await listRelease(context, staged, head, generated);
        return { ...listed, settle: () => settleRelease(context, listed.swap) };
    }
    const listed = await listSwap(context, staged, head, generated);
    return { ...listed, settle: () => settle(context, listed.swap) };
}
function exchangeOf(context, transaction) {
    const { swap } = transaction;
    if (swap.layout === 'releases')
        return {
            swapIn: () => enterRelease(context, transaction, swap),
            swapOut: () => leaveRelease(context, transaction, swap),
            isIn: () => isEntered(context, swap),
            afterwards: () => share(context, transaction, swap),
        };
    return {
        swapIn: () => swapIn(context, transaction, swap),
        swapOut: () => swapOut(context, transaction, swap),
        isIn: () => isSwappedIn(context, swap),
        afterwards: () => Promise.resolve([]),
    };
}

;// CONCATENATED MODULE: ./host/deploy/upkeep.js






/** Longer files are no settings. */
const upkeep_LONGEST = 64 * 1024;
/** What a server needs once, beside deploys: somebody to start PM2 after a reboot, and to keep its logs small. */
async function upkeepOf({ plan, pm2, env }) {
    // In a container pm2-runtime starts it, and the engine keeps the logs.
    if (plan.container !== null)
        return [];
    const user = (0,external_node_os_namespaceObject.userInfo)().username;
    const machine = {
        etc: '/etc',
        user,
        home: (0,external_node_os_namespaceObject.homedir)(),
        pm2Home: pm2.home,
        crontab: await crontabOf(env),
    };
    // A check on a server without PM2 does not know yet where it will be.
    const starts = !plan.save || startsAtBoot(machine) || pm2.install.bin === '';
    const command = startupCommand(machine, pm2.install, process.execPath, process.geteuid?.() === 0);
    return [
        ...(starts ? [] : [`Nothing starts PM2 after a reboot yet. Run this once on the server: ${command}`]),
        rotationOf(machine) ??
            "Nothing rotates PM2's logs. Run this once on the server: pm2 install pm2-logrotate",
    ];
}
/** Whether something that runs at boot names PM2 and this user: a service, an init script, or a line of cron. */
function startsAtBoot({ etc, user, home, crontab }) {
    const own = upkeep_textsIn((0,external_node_path_namespaceObject.join)(home, '.config/systemd/user'), /\.service$/);
    const services = upkeep_textsIn((0,external_node_path_namespaceObject.join)(etc, 'systemd/system'), /\.service$/);
    const scripts = [...upkeep_textsIn((0,external_node_path_namespaceObject.join)(etc, 'init.d'), /^pm2/), ...upkeep_textsIn(etc, /^(crontab|rc\.local)$/)];
    const named = new RegExp(`(^|[^\\w-])${escaped(user)}([^\\w-]|$)`, 'm');
    return ([crontab, ...own].some((text) => /\bpm2\b/.test(text)) ||
        [...services, ...scripts].some((text) => /\bpm2\b/i.test(text) && (named.test(text) || (user === 'root' && !/^User=/m.test(text)))));
}
/** What rotates PM2's logs, as a sentence; null if nothing does. */
function rotationOf({ etc, pm2Home }) {
    if (exists((0,external_node_path_namespaceObject.join)(pm2Home, 'modules/pm2-logrotate')))
        return "pm2-logrotate rotates PM2's logs.";
    const rules = upkeep_textsIn((0,external_node_path_namespaceObject.join)(etc, 'logrotate.d'), /./);
    return rules.some((text) => text.includes('.pm2') || text.includes(pm2Home))
        ? "logrotate rotates PM2's logs."
        : null;
}
/** The line that `pm2 startup` tells a user to run. PM2 finds the init system by itself. */
function startupCommand({ user, home, pm2Home }, { bin }, node, isRoot) {
    const env = ['env', `PATH=$PATH:${(0,external_node_path_namespaceObject.dirname)(node)}`];
    // With --hp, PM2 takes the .pm2 of that home.
    const where = pm2Home === (0,external_node_path_namespaceObject.join)(home, '.pm2')
        ? { variables: [], options: ['--hp', home] }
        : { variables: [`PM2_HOME=${pm2Home}`], options: [] };
    return [
        ...(isRoot ? [] : ['sudo']),
        ...env,
        ...where.variables,
        bin,
        'startup',
        '-u',
        user,
        ...where.options,
    ].join(' ');
}
/** The texts of the files in a directory whose names match; none if it cannot be read. */
function upkeep_textsIn(directory, name) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(directory)
            .filter((entry) => name.test(entry))
            .flatMap((entry) => textOf((0,external_node_path_namespaceObject.join)(directory, entry)));
    }
    catch {
        return [];
    }
}
function textOf(file) {
    try {
        const stat = (0,external_node_fs_namespaceObject.statSync)(file);
        return stat.isFile() && stat.size <= upkeep_LONGEST ? [(0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8')] : [];
    }
    catch {
        return [];
    }
}
async function crontabOf(env) {
    try {
        return (await run('crontab', ['-l'], { cwd: '/', env, timeLimit: 5_000, keep: ALL_OF_IT })).stdout;
    }
    catch {
        // Without the command there is no cron.
        return '';
    }
}

;// CONCATENATED MODULE: ./host/deploy/commit.js








/** Records that the version was verified. From here on it is what a rollback goes back to. */
async function commit(context, transaction, expected) {
    const { deployId, sha, fingerprint, record, config, swapped } = transaction;
    if (swapped === null)
        throw new Error('a version that was not swapped in cannot be committed');
    keepReplaced(context, transaction);
    saveCurrent(context.places.state, {
        deployId,
        sha,
        fingerprint,
        record,
        config,
        runsAs: deployId,
        since: swapped,
        ports: [...expected.ports],
        restarts: await restartCounters(context, transaction),
        abi: transaction.abi,
    });
    context.journal.end(subjectOf(transaction, sha), 'committed', 'deployed');
    try {
        await context.clock.book('pm2', () => removeLeftOut(context, transaction));
        const names = [...config.map(({ name }) => name), ...transaction.leftOut];
        if (transaction.save)
            await context.clock.book('pm2', () => context.pm2.save(names));
    }
    catch (error) {
        // The version runs and is verified: an old dump is not worth taking it down.
        warn(context.log, `Could not save PM2's list, so a reboot may start the old settings: ${error.message}`);
    }
    try {
        for (const text of await exchangeOf(context, transaction).afterwards())
            inform(context.log, text);
    }
    catch (error) {
        // The next deploy tries again.
        warn(context.log, `The app's own files could not be moved: ${error.message}`);
    }
    if (transaction.current !== null)
        return;
    // It is advice alone.
    for (const text of await upkeepOf(context).catch(() => []))
        inform(context.log, text);
}
/** Notes what makes the version before this one whole again, out of the files that the swap has put aside. */
function keepReplaced({ places }, { deployId, record, current, previousSha, swap, swapped }) {
    // What no deploy verified, or was moved by hand since, is not a version to go back to.
    if (current === null || current.sha !== previousSha)
        return;
    const { sha, fingerprint, abi } = current;
    const files = commit_filesOf(swap, swapped);
    if (files === null)
        return;
    saveReplaced(places.state, {
        deployId,
        over: record,
        sha,
        record: current.record,
        fingerprint,
        abi,
        files,
    });
}
/** Null if the version before had no directory of its own and none was put aside. */
function commit_filesOf(swap, until) {
    if (swap.layout === 'in-place')
        return { layout: 'in-place', ops: swap.ops };
    return swap.previous === null ? null : { layout: 'releases', release: (0,external_node_path_namespaceObject.basename)(swap.previous), until };
}
/** What a deploy's own reload has counted is no restart of the app. */
async function restartCounters({ pm2 }, { config, before }) {
    const names = [...config, ...before.apps].map(({ name }) => name);
    try {
        const own = (await pm2.list()).filter(({ name }) => names.includes(name));
        return Object.fromEntries(own.map(({ pmId, restartTime }) => [pmId, restartTime]));
    }
    catch {
        // It is for the report alone.
        return null;
    }
}
async function removeLeftOut({ pm2, places, log }, { leftOut }) {
    if (leftOut.length === 0)
        return;
    const left = instancesIn(places.top, await pm2.list()).filter(({ name }) => leftOut.includes(name));
    await pm2.remove(left);
    inform(log, `Removed from PM2, because this version does not have them: ${leftOut.join(', ')}.`);
}

;// CONCATENATED MODULE: ./host/deploy/migrate.js









/**
 * Runs `migrate-command` in the staged version, which sees what the live app sees: its `.env`, its uploads, its database
 * file. A database that the command makes becomes the live app's. Says whether there was a command. A rollback runs none:
 * no command can be trusted to undo one.
 */
async function migrate(context, { staging }, { version, ownHome, showOwn }) {
    const { plan, places } = context;
    if (plan.mode === 'rollback' || plan.steps.migrate.kind === 'none')
        return false;
    writeVersioned(noteOf(places), migrate_FORMAT, { deployId: plan.deployId });
    showOwn();
    try {
        await runStep(context, 'migrate', { top: staging, workDir: (0,external_node_path_namespaceObject.join)(staging, plan.workingDirectory) });
    }
    finally {
        const { brought, left } = bringDatabases(staging, ownHome, version);
        for (const path of brought)
            inform(context.log, `migrate-command made the database ${path}. It is in ${ownHome} now.`);
        for (const path of left)
            warn(context.log, `migrate-command made ${path}, but ${ownHome} has something there. It was removed.`);
        removeUnknown(staging, version);
    }
    return true;
}
const NOT_UNDONE = 'migrate-command ran before that, and the schema was not rolled back.';
/** Files and PM2 go back after a failure. A schema does not, and whoever reads the failure has to know. */
function withMigration(failure, migrated) {
    return migrated ? { ...failure, message: `${failure.message} ${NOT_UNDONE}` } : failure;
}
/** What is known of a migration whose program was killed before it noted anything else. */
const MAY_HAVE_RUN = 'Its migrate-command had begun. What that did to the database stays.';
/** The deploy whose program was killed after its `migrate-command` began, and before the deploy was noted as a whole; or null. */
function migrationLeft({ places }) {
    const begun = readVersioned(noteOf(places), migrate_FORMAT)?.deployId ?? null;
    // From there on the transaction says whether it has run.
    return begun === null || loadTransaction(places.state)?.deployId === begun ? null : begun;
}
/** To be called once a deploy has said what it did. */
function forgetMigration({ places }) {
    (0,external_node_fs_namespaceObject.rmSync)(noteOf(places), { force: true });
}
const noteOf = ({ state }) => (0,external_node_path_namespaceObject.join)(state, 'migration.json');
/** Says that a command has begun which nothing undoes. */
const migrate_FORMAT = {
    what: 'The note of a migration',
    readers: [fields({ deployId: checked_text })],
};

;// CONCATENATED MODULE: ./host/handover/app-sockets.js




/** The processes that listen, of the one that PM2 started and of all that it started in turn. */
function listenersOf(root) {
    return [root, ...descendantsOf(root)].flatMap((pid) => {
        const ports = [...new Set(listeningPorts([pid]).map(({ port }) => port))];
        const marks = marksOf(pid);
        return ports.length === 0 && marks === 0 ? [] : [{ pid, ports, drains: marks > 0, shares: marks > 1 }];
    });
}
/** All ports of an app, in order. */
function app_sockets_portsOf(listeners) {
    return [...new Set(listeners.flatMap(({ ports }) => ports))].sort((a, b) => a - b);
}
/** How often a process has the preload open: 1 while it can be drained, 2 while its ports can be shared too, else 0. */
function marksOf(pid) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(`/proc/${pid}/fd`).filter((fd) => PRELOAD_OPENED.test(linkOf(`/proc/${pid}/fd/${fd}`)))
            .length;
    }
    catch {
        return 0;
    }
}
function linkOf(path) {
    try {
        return (0,external_node_fs_namespaceObject.readlinkSync)(path);
    }
    catch {
        return '';
    }
}
/** Bytes of memory that these processes have for themselves. */
function memoryOf(pids) {
    return pids.reduce((sum, pid) => {
        try {
            const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec((0,external_node_fs_namespaceObject.readFileSync)(`/proc/${pid}/status`, 'latin1')) ?? [];
            return sum + Number(kilobytes ?? 0) * 1024;
        }
        catch {
            return sum;
        }
    }, 0);
}
/** Bytes of memory that are left on this host; Infinity where it does not say. */
function freeMemory() {
    try {
        const [, kilobytes] = /^MemAvailable:\s+(\d+) kB$/m.exec((0,external_node_fs_namespaceObject.readFileSync)('/proc/meminfo', 'latin1')) ?? [];
        return kilobytes === undefined ? Number.POSITIVE_INFINITY : Number(kilobytes) * 1024;
    }
    catch {
        return Number.POSITIVE_INFINITY;
    }
}

;// CONCATENATED MODULE: ./host/handover/own-connection.js




/** Two processes listen on the port: half of the tries meet the other one. */
const own_connection_TRIES = 60;
/** Milliseconds. */
const CONNECTS_WITHIN = 1_000;
const TAKEN_WITHIN = 500;
const own_connection_LOOK_EVERY = 10;
/**
 * A connection to this port that one of these processes has taken, whoever else listens there; null where none of them
 * takes any.
 */
async function connectionTo(pids, port) {
    const addresses = listeningPorts(pids).flatMap((one) => (one.port === port ? [loopback(one.address)] : []));
    if (addresses.length === 0)
        return null;
    for (let tries = 0; tries < own_connection_TRIES; tries++) {
        const socket = await own_connection_open(port, addresses[tries % addresses.length] ?? '127.0.0.1');
        if (socket === null)
            continue;
        const inode = await takenInode(port, socket.localPort ?? 0);
        if (inode !== null && pids.some((pid) => holds(pid, `socket:[${inode}]`)))
            return socket;
        socket.destroy();
    }
    return null;
}
function loopback(address) {
    return address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address;
}
function own_connection_open(port, host) {
    return new Promise((resolve) => {
        const socket = (0,external_node_net_namespaceObject.connect)({ port, host });
        const settle = (result) => {
            clearTimeout(timer);
            if (result === null)
                socket.destroy();
            resolve(result);
        };
        const timer = setTimeout(settle, CONNECTS_WITHIN, null);
        socket.once('connect', () => settle(socket));
        // Later on it is the caller's to see.
        socket.on('error', () => settle(null));
    });
}
/** The inode of the server's side of a connection. A connection that waits to be accepted has none. */
async function takenInode(port, from) {
    const deadline = Date.now() + TAKEN_WITHIN;
    const hex = (number) => `:${number.toString(16).toUpperCase().padStart(4, '0')}`;
    for (;;) {
        for (const table of ['tcp', 'tcp6']) {
            for (const line of own_connection_textOf(`/proc/net/${table}`).split('\n')) {
                const [, local, remote, , , , , , , inode] = line.trim().split(/\s+/);
                if (local?.endsWith(hex(port)) && remote?.endsWith(hex(from)) && inode !== undefined && inode !== '0')
                    return inode;
            }
        }
        if (Date.now() > deadline)
            return null;
        await (0,promises_namespaceObject.setTimeout)(own_connection_LOOK_EVERY);
    }
}
function own_connection_textOf(path) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(path, 'latin1');
    }
    catch {
        return '';
    }
}
function holds(pid, link) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(`/proc/${pid}/fd`).some((fd) => {
            try {
                return (0,external_node_fs_namespaceObject.readlinkSync)(`/proc/${pid}/fd/${fd}`) === link;
            }
            catch {
                return false;
            }
        });
    }
    catch {
        return false;
    }
}

;// CONCATENATED MODULE: ./host/handover/queue-migration.js

/** Of this network namespace; Linux 5.14 and later have it. https://docs.kernel.org/networking/ip-sysctl.html */
const SETTING = '/proc/sys/net/ipv4/tcp_migrate_req';
/** Milliseconds. */
const LOOKS_EVERY = 10;
/**
 * While `work` runs, the connections that wait at a port which one process closes go to the other process that listens
 * there. Without this the kernel resets them. Only root may ask the kernel for it; others have `work` done without.
 * Afterwards the setting is what it was.
 */
async function whileQueuesMigrate(work) {
    let isOurs = turnOn();
    // Another deploy on this server turns it off when its own work ends.
    const keeper = setInterval(() => {
        isOurs = turnOn() || isOurs;
    }, LOOKS_EVERY);
    try {
        return await work();
    }
    finally {
        clearInterval(keeper);
        if (isOurs)
            write('0');
    }
}
function turnOn() {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(SETTING, 'utf8').trim() === '0' && write('1');
    }
    catch {
        // An older kernel.
        return false;
    }
}
function write(value) {
    try {
        (0,external_node_fs_namespaceObject.writeFileSync)(SETTING, value);
        return true;
    }
    catch {
        // Not root, or a container that sees it read-only.
        return false;
    }
}

;// CONCATENATED MODULE: ./host/handover/hand-over.js








/** Milliseconds. */
const hand_over_LOOK_EVERY = 50;
/** The preload itself ends a drain after 30 s. */
const DRAINS_WITHIN = 35_000;
/**
 * Replaces one instance in fork mode by a second one on the same port: it starts, it is healthy, and only then the old one
 * is drained and removed. Where the successor fails it is removed, the old one serves on, and a `DeployFailure` is thrown.
 */
async function handOver(context, handover) {
    const { pm2, log } = context;
    const { old, deployId, ports, health } = handover;
    const id = await pm2.prepareTwin(old, `next-${deployId}`);
    inform(log, `'${old.name}': a second instance (pm2 id ${id}) starts beside the old one (pm2 id ${old.pmId}).`);
    try {
        await handover.start(id);
        const deadline = performance.now() + handover.timeLimit;
        const successor = await untilListening(context, old.name, id, ports, deadline);
        if (health !== null)
            await untilHealthy(context, successor, health, deadline);
    }
    catch (error) {
        await retire(context, id).catch((second) => warn(log, `The second instance of '${old.name}' could not be removed: ${second.message}`));
        throw error;
    }
    const ms = await end(context, old);
    inform(log, `'${old.name}': the old instance has answered what was under way (${seconds(ms)}) and is gone.`);
}
/** Drains an instance if it listens, and takes it from PM2's list. */
async function retire({ pm2, log }, id) {
    const found = (await pm2.list()).find(({ pmId }) => pmId === id);
    if (found === undefined)
        return;
    await end({ pm2, log }, found);
}
/** Milliseconds that the instance needed to answer what was under way. */
function end({ pm2, log }, instance) {
    return whileQueuesMigrate(async () => {
        const ms = await drain(log, instance);
        await pm2.remove([instance]);
        return ms;
    });
}
async function untilListening({ pm2 }, name, id, ports, deadline) {
    let first = null;
    for (;;) {
        const found = (await pm2.list()).find(({ pmId }) => pmId === id);
        if (found === undefined)
            throw new DeployFailure(`PM2 no longer lists the new instance of '${name}'.`);
        first ??= found;
        const title = `the new instance of '${name}'`;
        if (['errored', 'stopped', 'waiting restart'].includes(found.status))
            throw new DeployFailure(`${capital(title)} is ${found.status}. The old instance goes on serving.`);
        if (found.restartTime > first.restartTime)
            throw new DeployFailure(`${capital(title)} crashed and was restarted. The old instance goes on serving.`);
        const open = found.pid > 0 ? app_sockets_portsOf(listenersOf(found.pid)) : [];
        const missing = ports.filter((port) => !open.includes(port));
        if (found.status === 'online' && missing.length === 0)
            return found;
        if (performance.now() > deadline) {
            throw new DeployFailure(missing.length === 0
                ? `${capital(title)} is still ${found.status}.`
                : `${capital(title)} does not listen on port ${missing.join(', ')}. The old instance goes on serving.`, {
                remedy: 'See in its error log why. If it cannot run beside the old instance, set handover to `off`: then PM2 restarts it.',
            });
        }
        await (0,promises_namespaceObject.setTimeout)(hand_over_LOOK_EVERY);
    }
}
/** The kernel shares connections out between the two: only one that the new process has taken tells of it. */
async function untilHealthy({ pm2 }, { pmId, name, pid, restartTime }, { url, port }, deadline) {
    for (;;) {
        const connection = await connectionTo([pid, ...descendantsOf(pid)], port);
        const complaint = connection === null
            ? `takes no connection on port ${port}`
            : await complaintAbout(url, { over: connection });
        connection?.destroy();
        if (complaint === null)
            return;
        const now = (await pm2.list()).find((one) => one.pmId === pmId);
        if (now === undefined || now.restartTime > restartTime || performance.now() > deadline)
            throw new DeployFailure(`The new instance of '${name}' is not healthy: ${complaint}. The old instance goes on serving.`);
        await (0,promises_namespaceObject.setTimeout)(hand_over_LOOK_EVERY * 4);
    }
}
/** Has an instance answer what is under way, and stop accepting; nothing is done to what cannot be drained. Milliseconds. */
async function drain(log, { name, pid }) {
    const began = performance.now();
    const draining = () => (pid > 0 ? listenersOf(pid) : []).filter(({ drains }) => drains);
    for (const listener of draining())
        signal(listener.pid);
    while (draining().length > 0) {
        if (performance.now() - began > DRAINS_WITHIN) {
            warn(log, `'${name}': the old instance still had requests under way after ${seconds(DRAINS_WITHIN)}.`);
            break;
        }
        await (0,promises_namespaceObject.setTimeout)(hand_over_LOOK_EVERY);
    }
    return performance.now() - began;
}
/** Without a handler it is ignored. */
function signal(pid) {
    try {
        process.kill(pid, 'SIGURG');
    }
    catch {
        // It has ended.
    }
}
function capital(text) {
    return text.charAt(0).toUpperCase() + text.slice(1);
}
function seconds(ms) {
    return `${(ms / 1000).toFixed(1)} s`;
}

;// CONCATENATED MODULE: ./host/handover/left-processes.js






/** Milliseconds. */
const left_processes_DRAINS_WITHIN = 35_000;
const ENDS_WITHIN = 5_000;
const left_processes_LOOK_EVERY = 50;
/**
 * Processes of these apps that no PM2 knows any more and that listen on one of these ports: what npm or a shell started
 * lives on when PM2's daemon is killed. Only what a deploy of ours started counts, and nothing that is not in the way: an
 * app may have processes of its own that are to outlive it.
 */
function leftProcesses({ pm2 }, names, ports) {
    const daemon = pm2.daemonPid();
    const known = new Set(daemon === null ? [] : [daemon, ...descendantsOf(daemon)]);
    return allPids().filter((pid) => {
        if (known.has(pid))
            return false;
        const env = environmentOf(pid);
        const isOurs = env.get('PM2_HOME') === pm2.home &&
            names.includes(env.get('name') ?? '') &&
            env.has('pm_id') &&
            env.has(DEPLOY_ID);
        return isOurs && listeningPorts([pid]).some(({ port }) => ports.includes(port));
    });
}
/** Whether what takes over the port can listen while they still do. */
function canShare(pids) {
    return pids.flatMap(listenersOf).every(({ ports, shares }) => shares || ports.length === 0);
}
/** Has them answer what is under way, and ends them. */
async function endProcesses({ log }, pids) {
    if (pids.length === 0)
        return;
    warn(log, `Processes ${pids.join(', ')} of a PM2 that was killed still held the app's port. They are ended.`);
    const draining = () => pids.some((pid) => listenersOf(pid).some(({ drains }) => drains));
    for (const pid of pids)
        left_processes_signal(pid, 'SIGURG');
    await until(() => !draining(), left_processes_DRAINS_WITHIN);
    for (const pid of pids)
        left_processes_signal(pid, 'SIGINT');
    await until(() => !pids.some(isAlive), ENDS_WITHIN);
    for (const pid of pids)
        left_processes_signal(pid, 'SIGKILL');
    await until(() => !pids.some(isAlive), ENDS_WITHIN);
}
async function until(done, timeLimit) {
    const deadline = performance.now() + timeLimit;
    while (!done() && performance.now() < deadline)
        await (0,promises_namespaceObject.setTimeout)(left_processes_LOOK_EVERY);
}
function left_processes_signal(pid, name) {
    try {
        process.kill(pid, name);
    }
    catch {
        // It has ended.
    }
}

;// CONCATENATED MODULE: ./host/handover/outage.js

const outage_EVERY = 20;
const outage_ACCEPTS_WITHIN = 1_000;
/** How long these ports of this host took no connection: from now on until it is stopped, in milliseconds. */
function watchOutage(ports) {
    let stopped = false;
    let refused = 0;
    const watching = (async () => {
        let before = performance.now();
        let down = false;
        while (!stopped) {
            const taken = await Promise.all(ports.map((port) => accepts(port, '::', outage_ACCEPTS_WITHIN)));
            const now = performance.now();
            if (down)
                refused += now - before;
            down = taken.includes(false);
            before = now;
            await new Promise((next) => setTimeout(next, outage_EVERY));
        }
    })();
    return {
        async stop() {
            stopped = true;
            await watching;
            return refused;
        },
    };
}

;// CONCATENATED MODULE: ./host/handover/way.js

const MIB = 1024 * 1024;
/** The new version may need more than the old one. */
const MORE_MEMORY = 1.5;
function wayOf(app) {
    const ports = requiredPorts(app);
    if (!app.online)
        return { kind: 'restart', why: null };
    // A job or a worker: two of them at once may do harm.
    if (ports.length === 0)
        return { kind: 'restart', why: 'it listens on no TCP port that could be shared.' };
    const why = whyNot(app);
    return why === null ? { kind: 'handover', ports } : { kind: 'restart', why };
}
function whyNot({ handover, version, preloaded, watched, counted, listeners, memory, free, }) {
    if (handover === 'off')
        return 'handover is off.';
    if (version === null)
        return 'PM2 does not start it with Node, so its port cannot be shared. Have a proxy in front of it retry.';
    if (!sharesPorts(version) || !preloaded)
        return `Node ${version.join('.')} cannot share a port. Node 22.12 or later can.`;
    if (watched)
        return 'PM2 watches its files (watch), and restarts it when they change. Turn watch off.';
    if (counted)
        return 'PM2 counts a variable of it up (increment_var) with a start alone.';
    const listening = listeners.filter(({ ports }) => ports.length > 0);
    if (!listening.some(({ drains }) => drains))
        return 'its process was started without the means to share its port. From the next deploy on nothing is lost.';
    if (!listening.every(({ shares }) => shares))
        return 'one of its processes cannot share its port, since another program had it first, or it is not opened by Node.';
    if (memory * MORE_MEMORY > free)
        return `there is not enough memory for two instances: it has ${Math.ceil(memory / MIB)} MiB, and ${Math.floor(free / MIB)} MiB are free.`;
    return null;
}
/**
 * Where the successor must listen before the old instance goes: its PORT, and what else it listens on, but for ports that
 * the kernel seems to have chosen, which differ each time.
 */
function requiredPorts({ listeners, oldPort, newPort, anyPorts: [first, last] }) {
    const all = [...new Set(listeners.flatMap(({ ports }) => ports))];
    const fixed = all.filter((port) => port === oldPort || port < first || port > last);
    const required = new Set(fixed.length > 0 ? fixed : all);
    // A port that the code or an env file named is given up for the first PORT in the settings, if it is the only one.
    const replaced = oldPort ?? (required.size === 1 ? [...required][0] : null) ?? null;
    if (replaced !== null && newPort !== null && required.has(replaced)) {
        required.delete(replaced);
        required.add(newPort);
    }
    return [...required].sort((a, b) => a - b);
}

;// CONCATENATED MODULE: ./host/handover/ways.js







/** How one running instance of an app that is to run in fork mode, and does, is replaced; by what is seen of it now. */
async function wayFor(app, instance, around) {
    const { pid, name, env, status, watch } = instance;
    const listeners = pid > 0 ? listenersOf(pid) : [];
    return wayOf({
        name,
        handover: around.handover,
        version: await versionFor(app, 'fork', around.pm2, [instance]),
        preloaded: around.preloaded,
        watched: Boolean(watch) || Boolean(app.watch),
        counted: app.increment_var !== undefined && app.increment_var !== null,
        online: status === 'online' && pid > 0,
        listeners,
        oldPort: portIn(env),
        newPort: declaredPort(app, around.pm2Env),
        anyPorts: portsAtRandom(),
        memory: memoryOf([pid, ...descendantsOf(pid)]),
        free: freeMemory(),
    });
}
function portsAtRandom() {
    try {
        const [first = 0, last = 0] = (0,external_node_fs_namespaceObject.readFileSync)('/proc/sys/net/ipv4/ip_local_port_range', 'latin1')
            .trim()
            .split(/\s+/)
            .map(Number);
        return [first, last];
    }
    catch {
        return [32_768, 60_999];
    }
}

;// CONCATENATED MODULE: ./host/pm2/own-restarts.js
/** Milliseconds. PM2 notes both times of a start right after each other, and takes a process for stable after a second. */
const SAME_START = 200;
const STABLE_AFTER = 1_000;
/** Whether PM2 starts or stops an instance, or has just started it after a crash, so that it may crash again at once. */
function isRestarting({ status, pmUptime, createdAt }, now) {
    const hasCrashed = pmUptime - createdAt > SAME_START && now - pmUptime < STABLE_AFTER;
    return hasCrashed || status === 'launching' || status === 'stopping';
}
/**
 * Whether this line of PM2's command says that it did not replace an instance, because PM2 was restarting that itself. The
 * command leaves out the instances after it as well, and ends with 0.
 */
function saysBusy(line) {
    return /process already (started|online)|Process with pid \d+ already exists|Reload already in progress for process id/.test(line);
}

;// CONCATENATED MODULE: ./host/deploy/wait-while.js

/** Milliseconds. */
const wait_while_POLL_EVERY = 100;
/** Resolves once `holds` is true of no instance that PM2 lists, or after `atMost` milliseconds. */
async function waitWhile(pm2, holds, atMost) {
    const end = performance.now() + atMost;
    while ((await pm2.list()).some(holds) && performance.now() < end)
        await (0,promises_namespaceObject.setTimeout)(wait_while_POLL_EVERY);
}

;// CONCATENATED MODULE: ./host/deploy/bring-about.js















/** For the daemon's own work beside the app's, in milliseconds. */
const bring_about_MARGIN = 10_000;
/**
 * Has PM2 run these apps as their configs say, with the least downtime: a stop and a start only where nothing else does
 * it, one reload, a handover of each instance in fork mode, and instances added or removed. `carryOut` waits for PM2's
 * command. Can be run again after a kill at any point, since it goes by what really runs.
 */
async function bringAbout(context, wanted, carryOut) {
    const { pm2, clock } = context;
    const { config, over } = wanted;
    const changes = configChanges(config, await pm2.list(), over?.last ?? []);
    const done = changes.filter((change) => isDone(change, wanted));
    for (const { app } of done)
        inform(context.log, `'${app.name}' runs this version already, and stays as it is.`);
    const given = changes.filter((one) => !done.includes(one)).map((change) => giveTo(change, wanted));
    const ways = await waysOf(context, given, wanted);
    for (const one of changes.flatMap(watchedInVain))
        await pm2.unwatch(one);
    const gone = changes.flatMap(({ change, running }) => (change.kind === 'recreate' ? running : []));
    await clock.book('pm2', () => pm2.remove(gone));
    // On the way back the instances that are too many are of the version that failed.
    if (over === null)
        await shrink(context, config);
    const left = leftProcesses(context, config.map(({ name }) => name), declaredPorts(config, wanted.pm2Env));
    const inTheWay = !canShare(left);
    if (inTheWay)
        await endProcesses(context, left);
    const handed = given.filter(({ app }) => handovers(ways, app.name) !== null);
    const reloaded = given.filter((one) => !handed.includes(one));
    await tellingOutage(context, reloaded, ways, () => reload(context, reloaded, wanted, carryOut, gone));
    for (const one of handed)
        await handOverApp(context, one, ways, wanted, carryOut);
    if (!inTheWay)
        await endProcesses(context, left);
    await grow(context, config);
    await shrink(context, config);
    await refuseLeft(context, config);
}
function isDone({ change, running }, { stays }) {
    return change.kind !== 'recreate' && running.length > 0 && running.every(stays);
}
function giveTo(change, { preloads, pm2Env, over }) {
    const { running, removed } = change;
    const isStarted = over !== null && change.change.kind === 'recreate';
    const app = isStarted ? withInherited(change, over.before) : change.app;
    const dressed = dress(app, preloads[app.name], running, pm2Env);
    return {
        change,
        app: dressed.app,
        gone: [...(over === null ? notIn(change.app, running) : removed), ...dressed.gone],
    };
}
/** So often PM2's command is given again. */
const MORE_ROUNDS = 5;
/** One command of PM2 for all of these apps, and further ones as long as PM2 leaves an instance out. */
async function reload(context, given, { pm2Env }, carryOut, gone) {
    if (given.length === 0)
        return;
    const names = given.map(({ app }) => app.name);
    for (let left = MORE_ROUNDS;; left--) {
        await untilCalm(context, given);
        const running = (await context.pm2.list()).filter((one) => names.includes(one.name) && !gone.some(({ pmId }) => pmId === one.pmId));
        let isBusy = false;
        const command = runPm2(context, { ...bring_about_commandFor(given), pm2Env }, running, (line) => {
            isBusy ||= saysBusy(line);
        });
        await carryOut(command, running);
        // What PM2 has still left out then, the verification tells.
        if (!isBusy || left === 0)
            return;
        inform(context.log, 'PM2 was restarting an instance itself, and left out the rest. Reloading once more.');
    }
}
/**
 * Resolves when PM2 starts and stops no instance of these apps by itself, or has had the time for that. A command that comes
 * in between may leave PM2 with two processes for one instance, of which it lists one.
 */
async function untilCalm({ pm2 }, given) {
    const limits = given.map(({ app }) => swapTimeLimit(app, [], pm2.install.version));
    const isBusy = (one) => given.some(({ app }) => app.name === one.name) && isRestarting(one, Date.now());
    await waitWhile(pm2, isBusy, Math.max(...limits));
}
function bring_about_commandFor(given) {
    return {
        apps: given.map(({ app }) => app),
        removed: Object.fromEntries(given.map(({ app, gone }) => [app.name, gone])),
    };
}
async function waysOf({ pm2 }, given, { preloads, pm2Env, handover, stays }) {
    const ways = new Map();
    for (const { app, change } of given) {
        const { running } = change;
        const isFork = expectedInstances(app).mode === 'fork' && running.every((one) => one.execMode === 'fork');
        if (!isFork || change.change.kind === 'recreate')
            continue;
        const around = { pm2, handover, preloaded: preloads[app.name] !== undefined, pm2Env };
        const replaced = running.filter((one) => !stays(one));
        const each = replaced.map(async (old) => ({ old, way: await wayFor(app, old, around) }));
        ways.set(app.name, await Promise.all(each));
    }
    return ways;
}
/** What an app's instances are handed over by, and where their successors must listen; null where one cannot be. */
function handovers(ways, name) {
    const each = ways.get(name) ?? [];
    const found = each.flatMap(({ old, way }) => (way.kind === 'handover' ? [{ old, ports: way.ports }] : []));
    return found.length > 0 && found.length === each.length ? found : null;
}
/** Says beforehand which apps are restarted, and afterwards how long nobody could reach them. */
async function tellingOutage({ log }, given, ways, work) {
    const told = given.flatMap(({ app, change }) => {
        const why = (ways.get(app.name) ?? []).flatMap(({ way }) => (way.kind === 'restart' ? way.why : []))[0];
        if (why === undefined || why === null)
            return [];
        const ports = app_sockets_portsOf(change.running.flatMap(({ pid }) => (pid > 0 ? listenersOf(pid) : [])));
        if (ports.length === 0) {
            inform(log, `'${app.name}': PM2 restarts it: ${why}`);
            return [];
        }
        inform(log, `'${app.name}': PM2 restarts it, and it refuses connections meanwhile: ${why}`);
        return [{ name: app.name, outage: watchOutage(ports) }];
    });
    try {
        await work();
    }
    finally {
        for (const { name, outage } of told) {
            const ms = await outage.stop();
            inform(log, `'${name}': it refused connections for ${(ms / 1000).toFixed(1)} s.`);
        }
    }
}
/** Replaces the instances of one app one after the other. */
async function handOverApp(context, given, ways, wanted, carryOut) {
    const { pm2, log, clock } = context;
    const { app } = given;
    const { healthUrl, deployId, healthTimeout: timeLimit } = wanted;
    const port = localPort(healthUrl);
    const start = async (id) => {
        const all = await pm2.list();
        const running = all.filter(({ name }) => name === app.name);
        const command = { ...bring_about_commandFor([given]), pm2Env: wanted.pm2Env, only: id };
        const once = () => carryOut(runPm2(context, command, running), all);
        await once().catch((error) => {
            if (wanted.over !== null)
                throw error;
            // The command may have been killed. Its app is not to be restarted for that.
            warn(log, `'${app.name}': the second instance is started once more: ${error.message}`);
            return once();
        });
    };
    try {
        for (const { old, ports } of handovers(ways, app.name) ?? []) {
            const health = healthUrl !== null && port !== null && ports.includes(port) ? { url: healthUrl, port } : null;
            await clock.book('pm2', () => handOver(context, { old, ports, health, timeLimit, deployId, start }));
        }
    }
    catch (error) {
        // The way back leads on, whatever it costs.
        if (wanted.over !== null)
            throw error;
        warn(log, `'${app.name}': it could not be handed over, so PM2 restarts it: ${error.message}`);
        await reload(context, [given], wanted, carryOut, []);
    }
}
/** Starts PM2's command, and shows what it prints; `heard` is given each line. */
function runPm2({ pm2, log }, what, running, heard = () => { }) {
    return pm2.startOrReload(what, running, (text) => {
        heard(text);
        // PM2 ends with a table of everything that it runs: no news, and not of this app alone.
        if (!/^[│┌├└]|^host metrics/.test(text))
            log({ type: 'output', from: 'pm2', text });
    });
}
/** What ran before has all its variables in its config: any other is of the version that failed. */
function notIn({ env }, running) {
    return removable(running, running.flatMap((one) => Object.keys(one.env)), Object.keys(env));
}
/** A start anew would lose the variables that an app has from the shell of its first start, and add those of this session. */
function withInherited({ app, removed }, before) {
    const old = before.find(({ name }) => name === app.name);
    if (old === undefined)
        return app;
    const inherited = Object.entries(old.env).filter(([name]) => !removed.includes(name));
    return { ...app, env: { ...Object.fromEntries(inherited), ...app.env }, filter_env: [''] };
}
async function grow({ pm2, clock }, config) {
    for (const { app, change, running } of configChanges(config, await pm2.list(), [])) {
        const like = running.find(({ status }) => status === 'online');
        if (change.kind !== 'scale up' || like === undefined)
            continue;
        const limit = swapTimeLimit(app, [], pm2.install.version) + bring_about_MARGIN;
        for (let left = change.by; left > 0; left--) {
            await clock.book('pm2', () => pm2.duplicate(like, limit));
        }
    }
}
async function shrink({ pm2, clock }, config) {
    for (const { change, running } of configChanges(config, await pm2.list(), [])) {
        if (change.kind === 'scale down')
            await clock.book('pm2', () => pm2.remove(running.slice(-change.by)));
    }
}
/** A PM2 that does not do what those do that are known would leave the old settings and say nothing. */
async function refuseLeft({ pm2 }, config) {
    for (const { app, running } of configChanges(config, await pm2.list(), [])) {
        const left = unappliedSettings(app, running);
        if (left.length > 0)
            throw new DeployFailure(`PM2 behaves unlike the versions we know: it did not apply these settings of '${app.name}': ${left.join('; ')}.`);
    }
}

;// CONCATENATED MODULE: ./host/deploy/reload-patience.js



/** A busy host boots the next instance more slowly than the canary. */
const SLOWER = 1.5;
/**
 * The apps with a `listen_timeout` that outlasts their boot, as their canaries took it: PM2 takes the old instance down
 * when that time has passed, ready or not. With a sentence for each app that the file gives too little.
 */
function withPatience(config, boots) {
    const advice = [];
    const patient = config.map((app) => {
        const boot = boots.find(({ name }) => name === app.name);
        const given = listenTimeoutOf(app);
        if (boot === undefined || expectedInstances(app).mode === 'fork')
            return app;
        const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
        if (app.wait_ready === true && boot.readyMs === null) {
            advice.push(`'${app.name}': it has wait_ready, but its canary sent no 'ready'. PM2 waits the whole listen_timeout (${seconds(given)}) for each instance. Call process.send('ready') once it listens, or set "wait_ready: false".`);
            return app;
        }
        if (app.wait_ready !== true && boot.readyMs !== null)
            advice.push(`'${app.name}': it tells PM2 when it is ready, but PM2 does not wait for that: set "wait_ready: true".`);
        const took = bootTime(app, boot);
        if (took === null || took * SLOWER <= given)
            return app;
        const enough = Math.ceil((took * 2) / 1000) * 1000;
        advice.push(`'${app.name}': it took ${seconds(took)} to boot, but PM2 stops the old instance after ${seconds(given)} (listen_timeout). In this deploy PM2 gets more time. Set "listen_timeout: ${enough}".`);
        return { ...app, listen_timeout: enough };
    });
    return { config: patient, advice };
}

;// CONCATENATED MODULE: ./host/deploy/watch-reload.js




const watch_reload_POLL_EVERY = 200;
const POLL_RELOAD_EVERY = 100;
/** So often in a row PM2's daemon must have no worker that it does not list. */
const QUIET_POLLS = 3;
/**
 * Watches a reload until PM2's command ends, and stops it at the first sign that the new version fails, while
 * later instances still run the old one. Resolves with that sign, or null where there was none. `onLook` is shown what
 * PM2 runs meanwhile.
 */
async function watchReload(pm2, reload, deployId, before, onLook = () => { }) {
    const { trouble, result } = await watchUntil(pm2, reload, deployId, before, onLook);
    if (trouble === null && result.code !== 0)
        throw reloadFailure(result);
    return trouble;
}
/** Tells of a reload that was stopped for this trouble. */
function stoppedReload(trouble) {
    return `During PM2's reload, ${trouble}. The reload was stopped.`;
}
/** As `watchReload`, whoever has started the reload. `before` is what ran as the watch began. */
async function watchUntil(pm2, reload, deployId, before, onLook = () => { }) {
    let running = true;
    const ended = reload.done.finally(() => {
        running = false;
    });
    // It may fail while the list is asked for, and nobody waits for it then.
    ended.catch(() => { });
    let trouble = null;
    // An old version that crashes until its turn comes is no fault of the new one.
    const bases = new Map(before.map((one) => [one.pmId, countedIn(one, deployId)]));
    try {
        while (running && trouble === null) {
            const now = await pm2.list();
            onLook(now);
            for (const one of now)
                bases.set(one.pmId, baseInReload(bases.get(one.pmId), one, deployId));
            trouble = troubleInReload(deployId, now, [...bases.values()]);
            if (trouble === null)
                await Promise.race([ended, (0,promises_namespaceObject.setTimeout)(POLL_RELOAD_EVERY)]);
        }
    }
    catch (error) {
        reload.abort();
        await ended.catch(() => { });
        throw error;
    }
    if (trouble !== null)
        reload.abort();
    return { trouble, result: await ended };
}
/** What this deploy has started already, of another app, is not to be restarted once more. */
function countedIn(one, deployId) {
    return one.deployId === deployId ? { ...one, restartTime: one.restartTime - 1 } : one;
}
/**
 * Waits for the end of a reload that is not judged. Rejects where PM2's daemon goes away or is silent: its command, which
 * would wait for it as long as its time limit lets it, is stopped then.
 */
async function awaitReload(pm2, reload) {
    let running = true;
    const ended = reload.done.finally(() => {
        running = false;
    });
    ended.catch(() => { });
    try {
        while (running) {
            await Promise.race([ended, (0,promises_namespaceObject.setTimeout)(watch_reload_POLL_EVERY)]);
            if (running)
                await pm2.list();
        }
    }
    catch (error) {
        reload.abort();
        await ended.catch(() => { });
        throw error;
    }
    return ended;
}
/**
 * Resolves when PM2's daemon has no worker that it does not list and, after a stopped reload, has had the time to
 * end what it had begun: a reload that starts earlier is refused by PM2 7 and leaves an orphan with PM2 5 and 6.
 */
async function quiet(pm2, knownOrphans, atLeast, atMost) {
    const started = performance.now();
    for (let calm = 0;; await (0,promises_namespaceObject.setTimeout)(watch_reload_POLL_EVERY)) {
        const orphans = orphansOf(pm2, await pm2.list()).filter((pid) => !knownOrphans.includes(pid));
        calm = orphans.length === 0 ? calm + 1 : 0;
        const waited = performance.now() - started;
        if ((calm >= QUIET_POLLS && waited >= atLeast) || waited >= atLeast + atMost)
            return;
    }
}

;// CONCATENATED MODULE: ./host/deploy/reload.js






/** Has PM2 run the new version's apps; at the first sign that they fail, PM2's command is stopped. */
async function reload_reload(context, transaction, boots) {
    const { pm2Env, deployId, current, before, preloads, healthUrl, healthTimeout } = transaction;
    const { config, advice } = withPatience(transaction.config, boots);
    for (const text of advice)
        warn(context.log, text);
    const over = { last: current?.config ?? [], before: before.apps };
    const { handover } = context.plan;
    const wanted = {
        deployId,
        config,
        pm2Env,
        preloads,
        handover,
        healthUrl,
        healthTimeout,
        over,
        stays: () => false,
    };
    const onLook = tellOfReady(config, deployId, (text) => inform(context.log, text));
    await bringAbout(context, wanted, async (command, running) => {
        const trouble = await context.clock.book('pm2', () => watchReload(context.pm2, command, deployId, running, onLook));
        if (trouble !== null)
            throw new DeployFailure(stoppedReload(trouble));
        inform(context.log, "PM2's command has ended. Checking what really runs.");
    });
}
/** Tells how many instances of the new version are ready, each time that one more is and others are still to come. */
function tellOfReady(config, deployId, tell) {
    const total = config.reduce((sum, app) => sum + expectedInstances(app).count, 0);
    let told = 0;
    return (now) => {
        const ready = now.filter((one) => one.deployId === deployId && one.status === 'online' && config.some(({ name }) => name === one.name)).length;
        if (ready > told && ready < total)
            tell(`${ready} of ${total} instances ready`);
        told = Math.max(told, ready);
    };
}

;// CONCATENATED MODULE: ./host/build/ecosystem-line.js




/**
 * Where the ecosystem file of the version that lies at `top` names this app, for an annotation on GitHub. Null if
 * there is no such file, or if its commit is not one of the workflow's own repository.
 */
function lineOfApp(plan, top, app) {
    if (plan.script !== null || plan.source.kind !== 'git' || plan.repository.given)
        return null;
    try {
        const file = findEcosystem((0,external_node_path_namespaceObject.join)(top, plan.workingDirectory), plan.ecosystem);
        if (!isWithin(top, file))
            return null;
        return { file: (0,external_node_path_namespaceObject.relative)(top, file), line: lineNaming((0,external_node_fs_namespaceObject.readFileSync)(file, 'utf8'), app) };
    }
    catch {
        // It is for the annotation alone.
        return null;
    }
}
/** The line with the app's name as a value; the first one if the file makes up its names. */
function lineNaming(text, app) {
    const lines = text.split('\n');
    const quoted = [`'${app}'`, `"${app}"`, `\`${app}\``];
    const names = (line) => /\bname\b/.test(line) &&
        (quoted.some((value) => line.includes(value)) || line.replace(/^.*\bname:/, '').trim() === app);
    return Math.max(0, lines.findIndex(names)) + 1;
}

;// CONCATENATED MODULE: ./host/deploy/reload-advice.js






/**
 * Warns of what a reload that went well showed. `old` are the instances that it replaced; of the apps in `boots` the
 * canary has told how long they boot.
 */
function adviseOnPace({ pm2, log, plan, places }, { config, pm2Env, before }, old, pace, boots) {
    const pids = pace.killed();
    for (const app of config) {
        const killed = old.find(({ name, pid }) => name === app.name && pids.includes(pid));
        const seen = {
            serves: declaredPort(app, pm2Env) !== null || portsOfApp(app.name, old, before.ports).certain.length > 0,
            waits: boots.some(({ name }) => name === app.name) ? [] : pace.waits(app.name),
            limit: readyTimeLimit(app, pm2.install.version),
            killedAfter: killed === undefined ? null : killTimeoutOf(killed),
        };
        for (const text of adviseAfterReload(app, seen))
            warn(log, text, lineOfApp(plan, places.live, app.name));
    }
}
/** What a reload that went well showed, and what may cost requests in the next one. */
function adviseAfterReload(app, { serves, waits, limit, killedAfter }) {
    const slowest = Math.max(0, ...waits);
    const listen = `"listen_timeout: ${Math.max(10_000, 1_000 * Math.ceil((3 * limit) / 1_000))}"`;
    const sign = app.wait_ready === true ? "calls process.send('ready')" : 'listens';
    const awaited = app.wait_ready === true || serves;
    const advice = [
        awaited && slowest >= 0.95 * limit
            ? `PM2 waited ${reload_advice_seconds(limit)} (listen_timeout) for a new instance, and then ended the old one, ready or not: make sure that it ${sign}, or set ${listen}`
            : null,
        awaited && slowest >= 0.6 * limit && slowest < 0.95 * limit
            ? `a new instance was ready after ${reload_advice_seconds(slowest)}; after ${reload_advice_seconds(limit)} PM2 ends the old one, ready or not: set ${listen}`
            : null,
        killedAfter !== null ? adviseOnKill(killedAfter) : null,
    ];
    return advice.flatMap((text) => (text === null ? [] : `'${app.name}': ${text}.`));
}
/** Longer than the requests of most apps take: what is still open then does not end by itself. */
const PATIENT = 5_000;
function adviseOnKill(after) {
    const close = 'on SIGINT close the server and all open connections (a WebSocket or an event stream never ends by itself), then exit';
    const more = after < PATIENT ? `. Only if ordinary requests take that long, set "kill_timeout: ${PATIENT}" too` : '';
    return `an old instance was still alive ${reload_advice_seconds(after)} after PM2 told it to end, so PM2 killed it and cut off its requests: ${close}${more}`;
}
function reload_advice_seconds(ms) {
    return `${Math.round(ms / 100) / 10} s`;
}

;// CONCATENATED MODULE: ./host/handover/half-way.js




/** Entries of the same app and number that different deploys started, or were to start. */
function pairsIn(instances) {
    const inOrder = [...instances].sort((a, b) => a.pmId - b.pmId);
    return inOrder.flatMap((newer, at) => {
        const older = inOrder
            .slice(0, at)
            .find((one) => one.name === newer.name &&
            one.execMode === 'fork' &&
            newer.execMode === 'fork' &&
            one.instanceNumber === newer.instanceNumber &&
            newer.deployId !== null &&
            one.deployId !== newer.deployId);
        return older === undefined ? [] : [{ older, newer }];
    });
}
/**
 * Leaves one entry of each pair, after a handover that was cut off: that of the deploy `wanted` if it serves, else the one
 * that was there before, if it still takes connections, else whichever serves.
 */
async function endHalfWay({ pm2, log, places }, wanted) {
    const own = instancesIn(places.top, await pm2.list());
    for (const { older, newer } of pairsIn(own)) {
        const serves = {
            older: listens(older),
            newer: newer.status === 'online' && listens(newer),
        };
        const keepsNewer = serves.newer && (newer.deployId === wanted || !serves.older);
        const [kept, gone] = keepsNewer ? [newer, older] : [older, newer];
        inform(log, `'${kept.name}': a handover was cut off. Its entry ${kept.pmId} in PM2 stays, entry ${gone.pmId} goes.`);
        await retire({ pm2, log }, gone.pmId);
    }
}
function listens({ pid }) {
    return pid > 0 && listenersOf(pid).some(({ ports }) => ports.length > 0);
}

;// CONCATENATED MODULE: ./host/deploy/rollback.js















/** Beyond what PM2's own limits add up to, in milliseconds. */
const rollback_MARGIN = 10_000;
/** What processes of the old version carry as their deploy's id, once this deploy was rolled back. */
function rollbackId(deployId) {
    return `${deployId}-rollback`;
}
/**
 * Brings back the files and what PM2 ran, and verifies it by the same rules; throws where that fails. Where it does not come
 * as far as a verdict, it is tried twice, since there is no other way out: PM2's daemon or its command may have been
 * killed meanwhile, or the disk have been full.
 * `stopped` says that PM2 may still be busy with a reload that was stopped. Can be run again after a kill at any point.
 */
async function rollBack(context, transaction, stopped) {
    const { pm2, places, clock, log, runDir } = context;
    const { before, deployId } = transaction;
    const runsAs = rollbackId(deployId);
    const { swapped, unhealthy } = await restore(context, transaction, runsAs, stopped).catch((error) => {
        warn(log, `The rollback did not reach a result. Trying once more: ${error.message}`);
        makeRoom(runDir);
        return restore(context, transaction, runsAs, true);
    });
    if (unhealthy !== null)
        throw unhealthy;
    const names = new Set([...before.apps, ...transaction.config].map(({ name }) => name));
    // The old version runs and is verified: nothing that follows can make that a failure.
    await rollback_attempt(context, async () => {
        if (transaction.save)
            await clock.book('pm2', () => pm2.save([...names]));
    });
    await rollback_attempt(context, async () => {
        const { current } = transaction;
        if (current === null)
            removeCurrent(places.state);
        else {
            const restarts = await restartCounters(context, transaction);
            saveCurrent(places.state, { ...current, runsAs, since: swapped, restarts });
        }
    });
    await rollback_attempt(context, async () => keepForDiagnosis(context, transaction));
}
async function restore(context, transaction, runsAs, stopped) {
    const { clock } = context;
    await exchangeOf(context, transaction).swapOut();
    const swapped = transaction.restoredAt ?? momentNow();
    inform(context.log, 'The files of the old version are back.');
    await clock.book('pm2', () => waitUntilQuiet(context, transaction, stopped));
    await clock.book('pm2', () => endHalfWay(context, runsAs));
    await clock.book('pm2', () => removeAdded(context, transaction));
    return { swapped, unhealthy: await restoreApps(context, transaction, runsAs, swapped) };
}
async function rollback_attempt({ log }, work) {
    try {
        await work();
    }
    catch (error) {
        warn(log, `After the rollback: ${error.message}`);
    }
}
async function waitUntilQuiet({ pm2, log }, { before, config }, stopped) {
    const limits = [...before.apps, ...config].map((app) => swapTimeLimit(app, [], pm2.install.version));
    const slowest = Math.max(0, ...limits);
    // A daemon that was killed has nothing going on any more, and no instance that serves meanwhile.
    const waits = stopped && pm2.daemonPid() !== null;
    if (waits)
        inform(log, `Waiting until PM2 is at rest, about ${Math.ceil(slowest / 1000)} s. Instances that were not replaced go on serving.`);
    await quiet(pm2, before.orphans, waits ? slowest : 0, slowest + rollback_MARGIN);
}
/** Apps that only the new version has are removed: this deploy started them. */
async function removeAdded({ pm2 }, { before, config, deployId }) {
    const had = before.apps.map(({ name }) => name);
    const added = config.map(({ name }) => name).filter((name) => !had.includes(name));
    const instances = await pm2.list();
    await pm2.remove(instances.filter((one) => added.includes(one.name) && one.deployId === deployId));
}
async function restoreApps(context, transaction, runsAs, swapped) {
    const { pm2, clock, log } = context;
    const { before } = transaction;
    if (before.apps.length === 0)
        return null;
    const config = before.apps.map((app) => ({ ...app, env: { ...app.env, [DEPLOY_ID]: runsAs } }));
    // It is not watched, nor stopped: the broken version may crash until its turn comes, and there is no way but on.
    const { preloads } = before;
    const { healthTimeout } = transaction;
    const way = { handover: 'auto', healthUrl: null, healthTimeout, over: null };
    const stays = ({ deployId, status, pid }) => deployId === runsAs && status === 'online' && startedSince(pid, swapped);
    const wanted = { deployId: runsAs, config, pm2Env: null, preloads, stays, ...way };
    await bringAbout(context, wanted, async (command) => {
        const result = await clock.book('pm2', () => awaitReload(pm2, command));
        if (result.code !== 0)
            throw reloadFailure(result);
    });
    // An app need be no better than it was: a site that was down already can be mended by a deploy alone.
    const whole = Object.entries(before.counts).filter(([, { total, online }]) => total === online);
    if (whole.length === 0)
        return null;
    const expected = {
        deployId: runsAs,
        instances: Object.fromEntries(whole.map(([name, { total }]) => [name, total])),
        ports: before.ports,
        after: ticksOf(swapped),
        knownOrphans: before.orphans,
        healthUrl: before.healthUrl,
        elsewhere: failedVersion(transaction),
    };
    const daemon = pm2.daemonPid();
    try {
        await clock.book('verify', () => verify(pm2, expected, transaction, { tell: (text) => inform(log, text) }));
        return null;
    }
    catch (error) {
        // Without the daemon that ran it, it is no verdict on the old version.
        if (pm2.daemonPid() !== daemon)
            throw error;
        return error;
    }
}
/** Where the old version ran is no matter: it has to be no better than it was. */
function failedVersion({ swap }) {
    return swap.layout === 'in-place' ? null : { directory: swap.staging, but: [] };
}
function keepForDiagnosis({ places, log }, { swap, deployId }) {
    const { staging } = swap;
    // A release that was live before has files of the app, to which other releases lead.
    if (swap.layout === 'releases' && (0,external_node_path_namespaceObject.basename)(staging) !== deployId)
        return;
    const broken = (0,external_node_path_namespaceObject.join)(places.beside, `broken-${deployId}`);
    if (!exists(staging) || exists(broken))
        return;
    (0,external_node_fs_namespaceObject.renameSync)(staging, broken);
    inform(log, `The version that failed is kept in ${broken} until the next deploy.`);
}

;// CONCATENATED MODULE: ./host/deploy/stand-by.js


/**
 * Waits for the runner's word on a version that is verified, serving and without PM2's lock meanwhile. Returns if the version
 * stays. Throws a `DeployFailure` if it has to go back.
 */
async function standBy(context, { turn, service }, onBegin) {
    const failure = await service.join();
    if (failure !== null)
        throw new DeployFailure(failure.message, failure);
    onBegin();
    turn.pause();
    const verdict = await context.runner.verdict();
    await turn.resume();
    if (verdict.type === 'silence')
        inform(context.log, 'Nothing was heard from the runner any more. The version is verified and stays.');
    if (verdict.type !== 'roll-back')
        return;
    // The version goes back in any case: the others have.
    await service.leave().catch((error) => warn(context.log, error.message));
    throw new DeployFailure(verdict.reason);
}

;// CONCATENATED MODULE: ./host/deploy/go-live.js















/** From the intent on: it ends with the new version verified, or with the old one back. */
async function goLive(context, progress, transaction, instances, boots, held) {
    const { sha, previousSha } = transaction;
    const subject = subjectOf(transaction, sha);
    const enter = (state) => {
        progress.enter(state);
        context.journal.enter(subject, state);
    };
    const names = new Set([...transaction.config, ...transaction.before.apps].map(({ name }) => name));
    const listener = listenTo(context.pm2, [...names], instances);
    const pace = context.pm2.hearPace();
    try {
        enter('activating');
        await exchangeOf(context, transaction).swapIn();
        await reload_reload(context, transaction, boots);
        enter('verifying');
        const expected = expectationOf(transaction);
        await context.clock.book('verify', () => verify(context.pm2, expected, transaction, {
            listener,
            tell: (text) => inform(context.log, text),
        }));
        if (context.plan.waits)
            await standBy(context, held, () => enter('verified'));
        progress.enter('committed');
        await commit(context, transaction, expected).catch((error) => {
            // A full disk is no reason to take down what is verified: the reserve is room enough.
            if (!makeRoom(context.runDir))
                throw error;
            return commit(context, transaction, expected);
        });
        adviseOnPace(context, transaction, instances, pace, boots);
        return { outcome: 'deployed', sha, previousSha, failure: null };
    }
    catch (error) {
        const failure = withMigration(failureOf(error, progress.state), transaction.migrated);
        // However PM2's command ended, the daemon may still be busy with what it began.
        const stopped = progress.state === 'activating' && transaction.swapped !== null;
        return await goBack(context, progress, transaction, failure, stopped, listener);
    }
    finally {
        listener.close();
        pace.close();
    }
}
async function goBack(context, progress, transaction, failure, stopped, listener) {
    const { journal } = context;
    const { previousSha: sha } = transaction;
    const subject = subjectOf(transaction, transaction.sha);
    const enter = (state, note) => {
        progress.enter(state);
        try {
            note();
        }
        catch (error) {
            // With a full disk the old version can be brought back all the same: that matters more than the journal.
            warn(context.log, `Could not write the journal: ${error.message}`);
        }
    };
    const failedAt = performance.now();
    const { deployId } = transaction;
    makeRoom(context.runDir);
    enter('rolling-back', () => journal.enter(subject, 'rolling-back', failure.message));
    inform(context.log, failure.message);
    try {
        // At once; where it fails, the rollback does it again.
        await exchangeOf(context, transaction)
            .swapOut()
            .catch(() => { });
        // Once verified, it is not for anything that the app has said.
        if (failure.state !== 'verified')
            failure.appLogs = await go_live_appLogs(listener, 'new', deployId, failedAt);
        await rollBack(context, transaction, stopped);
        freeReserve(context.runDir);
        enter('rolled-back', () => journal.end(subject, 'rolled-back', 'rolled-back', failure.message));
        return { outcome: 'rolled-back', sha, previousSha: sha, failure };
    }
    catch (error) {
        const second = failureOf(error, 'rolling-back');
        const old = await go_live_appLogs(listener, 'old', rollbackId(deployId), performance.now());
        failure.appLogs = [...failure.appLogs, ...old];
        freeReserve(context.runDir);
        enter('rollback-failed', () => journal.end(subject, 'rollback-failed', 'rollback-failed', second.message));
        return {
            outcome: 'rollback-failed',
            sha,
            previousSha: sha,
            failure: bothFailures(failure, second, context),
        };
    }
}
/** Never fails: a cause that cannot be read is no reason to stop a rollback. */
async function go_live_appLogs(listener, version, deployId, until) {
    const words = await listener.words(deployId, until).catch(() => []);
    return words.map(({ app, lines }) => ({ app, version, lines }));
}
function bothFailures(first, second, { places }) {
    return {
        ...first,
        rollback: second.message,
        remedy: `The files of the old version are in ${treeOf(places)}. Log in and look at 'pm2 list' and 'pm2 logs'. Start the app with 'pm2 startOrReload' in ${places.workDir}. The next deploy goes on from whatever runs then.`,
        output: [...first.output, ...second.output],
    };
}

;// CONCATENATED MODULE: ./host/swap/whole-again.js





/**
 * Makes a whole version of `kept`, where a swap has put all of it that differed: what was the same is copied from `live`.
 * Nothing in `kept` is moved, so it can be run again after a kill at any point. Gives the path, or the sentence's end, of what
 * is no longer as its build left it; null if all of it is.
 */
function makeWhole(kept, live, before) {
    const { tracked, generated, ops } = before;
    const version = knownTree(tracked, generated, 'absent');
    const own = new Set(ops.filter((op) => op.live).map(({ path }) => path));
    clear(kept, own);
    const missing = fill(kept, live, version, own);
    if (missing !== null)
        return missing;
    removeUnknown(kept, version);
    return firstDifference(generated, recordGenerated(kept, tracked));
}
/** Removes all but what the swap has put there: an earlier attempt may have been killed in the middle of a copy. */
function clear(kept, own) {
    const parents = parentsOf(own);
    const visit = (directory) => {
        for (const { name } of (0,external_node_fs_namespaceObject.readdirSync)(`${kept}/${directory}`, { withFileTypes: true })) {
            const path = directory === '' ? name : `${directory}/${name}`;
            if (own.has(path))
                continue;
            if (parents.has(path))
                visit(path);
            else
                (0,external_node_fs_namespaceObject.rmSync)(`${kept}/${path}`, { recursive: true, force: true });
        }
    };
    visit('');
}
function fill(kept, live, version, own) {
    const visit = (directory, known) => {
        for (const [name, what] of known.entries) {
            const path = directory === '' ? name : `${directory}/${name}`;
            if (own.has(path)) {
                if (rename_statOf(`${kept}/${path}`) === null)
                    return path;
                continue;
            }
            if (what.kind === 'directory') {
                (0,external_node_fs_namespaceObject.mkdirSync)(`${kept}/${path}`, { recursive: true });
                const missing = visit(path, what);
                if (missing !== null)
                    return missing;
            }
            else if (!whole_again_copy(`${live}/${path}`, `${kept}/${path}`))
                return path;
        }
        return null;
    };
    return visit('', version);
}
/** False if there is no such file or link. */
function whole_again_copy(from, to) {
    const stat = (0,external_node_fs_namespaceObject.lstatSync)(from, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink())
        (0,external_node_fs_namespaceObject.symlinkSync)((0,external_node_fs_namespaceObject.readlinkSync)(from), to);
    else if (stat?.isFile()) {
        (0,external_node_fs_namespaceObject.copyFileSync)(from, to, external_node_fs_namespaceObject.constants.COPYFILE_EXCL | external_node_fs_namespaceObject.constants.COPYFILE_FICLONE);
        (0,external_node_fs_namespaceObject.utimesSync)(to, stat.atime, stat.mtime);
    }
    else
        return false;
    return true;
}
/** The first path that is not as the build left it, or null. What a build left is told by its names, and by its content where the record has that. */
function firstDifference(recorded, found) {
    const names = new Map(found.directories.map(([path, list]) => [path, new Set(list)]));
    for (const [path, list] of recorded.directories) {
        const there = names.get(path);
        if (there === undefined)
            return path;
        const gone = list.find((name) => !there.has(name));
        if (gone !== undefined)
            return `${path}/${gone}`;
    }
    const singles = new Map(found.singles.map(([path, size, mtimeNs, content]) => [path, { size, mtimeNs, content }]));
    for (const [path, size, mtimeNs, content] of recorded.singles) {
        const there = singles.get(path);
        const same = content === null ? there?.mtimeNs === mtimeNs : there?.content === content;
        if (there?.size !== size || !same)
            return path;
    }
    const rewritten = new Set([...Object.keys(recorded.rewritten), ...Object.keys(found.rewritten)]);
    // In the place of what the version does not have may be a link to what all versions share.
    const changed = [...rewritten].find((path) => recorded.rewritten[path] !== found.rewritten[path] && !recorded.deleted.includes(path));
    return changed ?? found.deleted.find((path) => !recorded.deleted.includes(path)) ?? null;
}

;// CONCATENATED MODULE: ./host/build/restage.js
















/**
 * Makes a staged version of what a swap has put aside, with no install, no build and no remote. It stays where it lies, so
 * that another attempt finds it there. Gives the reason, as a sentence's end, if it is not whole any more.
 */
async function restage(context, earlier, replaced, refuse) {
    const { plan, places, git, gitIn } = context;
    const { sha, deployId, files } = earlier;
    const staging = placeOfReplaced(places, earlier);
    refuseApart(places);
    makePrivate(places.beside, (0,external_node_path_namespaceObject.join)(places.beside, plan.deployId));
    if (files.layout === 'in-place')
        requirePrivate((0,external_node_path_namespaceObject.join)(places.beside, deployId));
    discardLeftovers(context);
    const generated = loadRecord(places.state, earlier.record);
    if (generated === null || !exists(staging))
        return 'it was removed';
    const tracked = await trackedFiles(git, sha);
    const different = files.layout === 'in-place'
        ? makeWhole(staging, places.live, { tracked, generated, ops: files.ops })
        : firstDifference(generated, recordGenerated(staging, tracked));
    if (different !== null)
        return `${different} is not as its build left it`;
    if (files.layout === 'in-place') {
        (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.join)(staging, '.git'), { recursive: true, force: true });
        await makeCheckout(git, gitIn, staging, sha);
    }
    // The ecosystem file may read them.
    const lent = await lendEnvFiles(context, staging, tracked);
    const config = await readVersion(context, staging, refuse);
    lent.takeBack(staging);
    const assets = keepAssets(context, staging, replaced);
    const version = assets.length === 0
        ? { generated, record: earlier.record }
        : recordAgain(context, withAssets(staging, { tracked, generated }, assets), earlier.record);
    const given = giveEnvFile(context, staging, tracked);
    const kept = (0,external_node_path_namespaceObject.join)(places.beside, plan.deployId, 'kept');
    return { sha, staging, kept, ...version, given, config };
}
/** What the build made, and these: neither links to what all versions share, nor what the app wrote while it was live. */
function withAssets(staging, { tracked, generated }, assets) {
    const known = knownTree(tracked, generated, 'known');
    for (const path of assets.flatMap(({ paths }) => paths))
        learn(known, path);
    return onlyKnown(recordGenerated(staging, tracked, assets), known);
}
function recordAgain({ places, plan }, generated, record) {
    return { generated, record: saveRecordAgain(places.state, plan.deployId, generated, record) };
}

;// CONCATENATED MODULE: ./host/deploy/plan-fingerprint.js







/** Changes when anything but the commit `sha` itself changes what a deploy of it does. */
async function fingerprintOf({ plan, places, pm2, git }, sha) {
    const { workingDirectory, steps, apps, ecosystem, script, pm2Env, handover, drain } = plan;
    const tracked = await trackedFiles(git, sha);
    const given = envFilePath(plan);
    const directories = envDirectories(tracked.keys(), workingDirectory);
    const contents = new Map();
    for (const source of envSources(places).reverse())
        for (const path of envFiles(source, directories))
            if (!tracked.has(path) && path !== given)
                contents.set(path, readIfThere((0,external_node_path_namespaceObject.join)(source, path)));
    if (given !== null)
        contents.set(given, plan.envFile?.content ?? null);
    const all = [
        workingDirectory,
        steps,
        apps,
        ecosystem,
        script,
        pm2Env,
        handover,
        drain,
        [...contents].sort(([a], [b]) => (a < b ? -1 : 1)),
        process.version,
        pm2.install.version,
        ...(plan.layout.kind === 'releases' ? [plan.layout] : []),
    ];
    return (0,external_node_crypto_namespaceObject.createHash)('sha256').update(JSON.stringify(all)).digest('hex');
}

;// CONCATENATED MODULE: ./host/deploy/kept-version.js






/**
 * The version of the commit, staged out of what an earlier swap has put aside; null if it has to be built. The log says
 * which, and why a version that could have been used is not.
 */
async function stageKept(context, sha, live, replaced, refuse) {
    const { plan, log, places } = context;
    const kept = loadReplaced(places.state).filter(({ sha: its, files }) => its === sha && files.layout === plan.layout.kind);
    if (kept.length === 0 && plan.mode !== 'rollback')
        return null;
    const usable = await choose(context, kept, live);
    const staged = typeof usable === 'string' ? usable : await restage(context, usable, replaced, refuse);
    if (typeof staged === 'string') {
        inform(log, `This version is built anew: ${staged}.`);
        return null;
    }
    inform(log, 'The files of this version are still on the server. It needs no fetch, no install and no build.');
    return staged;
}
/** The one that can be used, or why none can, as a sentence's end. */
async function choose(context, kept, { head, current }) {
    // Assets of others that came with it are in no file of an earlier version.
    const build = current === null ? null : buildOf(current.record);
    // A version with a directory of its own is whole, whatever is live.
    const beside = kept.find(({ over, files }) => files.layout === 'releases' || buildOf(over) === build);
    if (beside === undefined)
        return kept.length === 0
            ? 'its files are not on the server any more'
            : 'its files fit another version than the one that is live';
    if (head.sha !== current?.sha)
        return 'HEAD of the live checkout was moved by hand';
    if (beside.abi !== nodeAbi())
        return `it was installed for ${beside.abi ?? 'an unknown Node'}, and this Node is ${nodeAbi()}`;
    const { mode } = context.plan;
    // A rollback is for what was verified. A deploy promises a build with its own settings.
    if (mode !== 'rollback' && beside.fingerprint !== (await fingerprintOf(context, beside.sha)))
        return 'the settings of the deploy, an .env file, Node or PM2 changed since';
    return beside;
}

;// CONCATENATED MODULE: ./host/program/program.js



/** Describes the process that was just started. It may have ended already. */
function programOf(pid) {
    return { pid, ticks: startTicks(pid), boot: bootId() };
}
/** Whether the process still runs. A zombie does not. */
function stillRuns({ pid, ticks, boot }) {
    return ticks !== null && boot === bootId() && startTicks(pid) === ticks && isAlive(pid);
}
/** If this file exists, a program was started. */
const FILE = 'program.json';
/** Records the program for those who follow it later. */
function saveProgram(runDir, program) {
    const file = join(runDir, FILE);
    writeFileSync(`${file}.new`, JSON.stringify(program), { mode: 0o600 });
    renameSync(`${file}.new`, file);
}
function loadProgram(runDir) {
    return JSON.parse((0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(runDir, FILE), 'utf8'));
}

;// CONCATENATED MODULE: ./host/deploy/locks.js







/** Not named like a lock of git. */
const LOCK_FILE = 'pm2-ssh-deploy-lock';
/** How long a verified host waits for PM2's lock at least, in milliseconds. */
const LEAST_WAIT = 10 * 60_000;
/** The lock of the app, held through the whole deploy. The first wait of `lock-timeout`. */
function takeAppLock(context) {
    const { places } = context;
    (0,external_node_fs_namespaceObject.mkdirSync)(places.top, { recursive: true });
    makePrivate((0,external_node_path_namespaceObject.dirname)(places.state), places.state);
    return take(context, appLock(context));
}
/**
 * The lock of this PM2: of all that it runs, one app at a time is tried, reloaded, verified and saved. Always taken after
 * the app's own, so that no two deploys wait for each other.
 */
function takePm2Lock(context) {
    const home = context.pm2.home;
    (0,external_node_fs_namespaceObject.mkdirSync)(home, { recursive: true });
    return take(context, pm2Lock(context));
}
async function startPm2Turn(context) {
    let lock = await takePm2Lock(context);
    const end = () => {
        lock?.release();
        lock = null;
    };
    return {
        pause: end,
        async resume() {
            try {
                lock = await take(context, pm2Lock(context), Math.max(LEAST_WAIT, context.plan.lockTimeout));
            }
            catch (error) {
                warn(context.log, error.message);
            }
        },
        end,
    };
}
/** Who holds either lock now, as sentences. Nothing is taken, and nothing written. */
function lockHolders(context) {
    const app = holderOf(appLock(context));
    const other = app === null ? holderOf(pm2Lock(context)) : null;
    return [
        ...(app === null ? [] : [`A deploy is running here: ${app}.`]),
        ...(other === null ? [] : [`A deploy of another app in this PM2 is running: ${other}.`]),
    ];
}
/** The pids of this user's processes that hold the app's lock: the program that took it, and what it gave it to. */
function lockKeepers(context) {
    return keepersOfLock(appLock(context));
}
/** On a first deploy there is no .git yet: then the file in the state directory stands alone. */
function appLock({ places }) {
    const git = (0,external_node_path_namespaceObject.join)(places.top, '.git');
    const isDirectory = (0,external_node_fs_namespaceObject.statSync)(git, { throwIfNoEntry: false })?.isDirectory() ?? false;
    return {
        own: [(0,external_node_path_namespaceObject.join)(places.state, 'lock'), ...(isDirectory ? [(0,external_node_path_namespaceObject.join)(git, LOCK_FILE)] : [])],
        directory: places.top,
        note: (0,external_node_path_namespaceObject.join)(places.state, 'holder.json'),
    };
}
function pm2Lock({ places, pm2 }) {
    const hash = (0,external_node_crypto_namespaceObject.createHash)('sha256').update(realOrSame(pm2.home)).digest('hex').slice(0, 12);
    return {
        own: [(0,external_node_path_namespaceObject.join)(pm2.home, LOCK_FILE)],
        directory: pm2.home,
        note: (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(places.state), `pm2-${hash}.holder.json`),
    };
}
/** Waits for what is left of `lock-timeout`, which counts for both locks together, or `timeLimit` milliseconds. */
function take(context, files, timeLimit) {
    const { plan, clock, runner, log, locks } = context;
    const wait = {
        timeLimit: timeLimit ?? Math.max(0, plan.lockTimeout - clock.spent.lock),
        cancel: runner.cancelled,
        onWait: (text) => inform(log, text),
    };
    return clock.book('lock', () => takeLock(locks, files, plan.run, wait));
}

;// CONCATENATED MODULE: ./host/deploy/left-reload.js









const left_reload_LOOK_EVERY = 50;
/**
 * Watches the reload that a killed host program has left. PM2's command goes on by itself, and would replace one instance
 * after the other even if the version is bad. So it is stopped at the first sign of that, as the program would have done.
 * Gives the sign as a sentence, or null if there was none. To be called before the app's lock is taken: the command holds it.
 */
async function watchLeftReload(context) {
    const { journal, pm2, log, runner } = context;
    const entry = unfinished(journal.entries());
    const command = entry?.state === 'activating' ? leftCommand(context) : null;
    if (entry === null || command === null)
        return null;
    const left = programOf(command);
    const done = (async () => {
        while (stillRuns(left) && !runner.cancelled.aborted)
            await (0,promises_namespaceObject.setTimeout)(left_reload_LOOK_EVERY);
    })();
    // It was started as the leader of a group of its own.
    const abort = () => signalGroup(command, 'SIGKILL');
    try {
        const { trouble } = await watchUntil(pm2, { done, abort }, entry.deploy, await pm2.list());
        return trouble === null ? null : stoppedReload(trouble);
    }
    catch (error) {
        warn(log, `PM2's command was stopped, because PM2 does not answer: ${error.message}`);
        return null;
    }
}
/** PM2's command, if nothing else holds the app's lock: then the program that started it is gone. */
function leftCommand(context) {
    const [pid, ...others] = lockKeepers(context);
    return pid !== undefined && others.length === 0 && isStartOrReload(argumentsOf(pid)) ? pid : null;
}

;// CONCATENATED MODULE: ./host/deploy/live.js




async function readLive(context) {
    const { places } = context;
    const current = loadCurrent(places.state);
    return {
        head: await readLiveHead(context),
        current,
        generated: loadRecord(places.state, current?.record ?? null),
    };
}
/**
 * HEAD, with the commit of the version that runs. Where each version is a checkout of its own, that one tells: what somebody checks
 * out in the app's directory changes no file that runs.
 */
async function readLiveHead({ places, gitAfterwards, }) {
    const head = await readHead(gitAfterwards);
    const tree = treeOf(places);
    if (tree === places.top)
        return head;
    const own = await gitAfterwards.attempt(['-C', tree, 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
    const sha = own.stdout.trim();
    // What was committed in there by hand is in no other repository.
    const isKnown = own.code === 0 && (await gitAfterwards.attempt(['cat-file', '-e', `${sha}^{commit}`])).code === 0;
    return isKnown ? { ...head, sha } : head;
}

;// CONCATENATED MODULE: ./host/deploy/new-transaction.js











/** Looks at the host a last time and writes down what is to be done, and what undoes it. Changes nothing yet. */
async function drawUp(context, staged, { current, generated }, boots, migrated) {
    const { plan, pm2, log } = context;
    const { config, sha } = staged;
    const head = await readLiveHead(context);
    const { swap } = await listExchange(context, staged, head, generated);
    const { instances, before } = await readBaseline(pm2, config.map(({ name }) => name));
    before.ports = before.ports.filter((port) => !new_transaction_isByChance(port, instances, boots));
    for (const text of requireFit(context, config, instances, current))
        inform(log, text);
    for (const { env } of instances)
        context.redactor.hide(secretsOfEnvironment(env));
    const health = await healthTargets(context, config, before);
    const transaction = {
        deployId: plan.deployId,
        mode: plan.mode,
        run: plan.run,
        sha,
        previousSha: head.sha,
        swap,
        record: staged.record,
        current,
        fingerprint: await fingerprintOf(context, sha),
        abi: nodeAbi(),
        before: { ...before, healthUrl: health.before },
        config,
        preloads: await choosePreloads(plan, pm2, config, instances),
        leftOut: leftOut(context, config, current, await pm2.list()),
        pm2Env: plan.pm2Env,
        save: plan.save,
        healthTimeout: plan.healthTimeout,
        stableFor: plan.stableFor,
        healthUrl: health.now,
        migrated,
        swapped: null,
        restored: false,
        restoredAt: null,
    };
    return { transaction, instances };
}
/** A port that the kernel chose for an app which asks for any: neither the new version nor the old one will have it again. */
function new_transaction_isByChance(port, instances, boots) {
    const asksForAny = instances.filter(({ env }) => env.PORT === '0').map(({ name }) => name);
    return (boots.some(({ byChance }) => byChance.includes(port)) ||
        asksForAny.some((name) => portsOfApp(name, instances, [port]).certain.length > 0));
}

;// CONCATENATED MODULE: ./host/deploy/newer-run.js


/**
 * The deploy that stands here, if a newer run of the same repository made it. Runs are counted by GitHub as they are
 * created; a re-run keeps its number, since it is about the same old commit.
 */
function newerRun(entries, run) {
    const standing = standingDeploy(entries);
    if (standing === null || standing.run.repository !== run.repository)
        return null;
    const [there, here] = [standing.run.id, run.id];
    if (!/^\d+$/.test(there) || !/^\d+$/.test(here))
        return null;
    return BigInt(there) > BigInt(here) ? standing : null;
}
/** Refuses to undo what a newer run has done here. */
function refuseOlderRun(newer, run) {
    const isRerun = Number(run.attempt) > 1;
    throw new DeployFailure(`Run ${newer.run.id} of this repository ${newer.outcome === 'removed' ? 'removed the app' : `deployed ${newer.sha}`} here at ${newer.at} (${newer.run.actor}, ${newer.run.url}). It is newer than this run, ${run.id}${isRerun ? `, whatever its attempt (${run.attempt})` : ''}.`, {
        remedy: isRerun
            ? 'To go back to an older version, start a new run with mode rollback. To let re-runs of old runs deploy, set force to the expression github.run_attempt > 1.'
            : 'What the newer run did stays. To go on anyway, set force to true, or start a new run.',
    });
}

;// CONCATENATED MODULE: ./host/pm2/restart-times.js

/** Arguments: PM2's directory, milliseconds, patterns. Prints the times that lie so far ahead at most, as JSON, in milliseconds from now. */
const READER = `
const [root, ahead, ...patterns] = process.argv.slice(1);
const loaded = require('module').createRequire(root + '/lib/Worker.js')('croner');
const Cron = loaded.Cron || loaded;
const now = Date.now();
const times = [];
for (const pattern of patterns) {
  const clock = Cron(pattern);
  for (let at = clock.next(); at && at - now <= ahead; at = clock.next(at)) times.push(at - now);
}
process.stdout.write(JSON.stringify(times.sort((a, b) => a - b)));
`;
/** Milliseconds. */
const restart_times_READS_WITHIN = 5_000;
/**
 * When PM2 restarts apps that have these patterns as `cron_restart`, in milliseconds from now, for so many milliseconds
 * ahead. PM2's own package reads the patterns. Empty where it cannot.
 */
async function restartTimes(pm2Root, env, patterns, ahead) {
    const args = ['-e', READER, '--', pm2Root, String(ahead), ...patterns];
    const result = await run(process.execPath, args, {
        cwd: pm2Root,
        env,
        timeLimit: restart_times_READS_WITHIN,
        keep: ALL_OF_IT,
    });
    return result.code === 0 ? JSON.parse(result.stdout) : [];
}

;// CONCATENATED MODULE: ./host/deploy/quiet-moment.js









/** Milliseconds. An app restarts once a minute at most often, as a rule. */
const WAITS_AT_MOST = 120_000;
/** Milliseconds. Most apps end long before their `kill_timeout`. */
const quiet_moment_ENDS_WITHIN = 2_000;
/**
 * Waits until PM2 has time for a whole reload before it restarts an app by its `cron_restart`. A restart of an instance
 * that PM2 is replacing leaves it stopped, or on the old version.
 */
async function waitForQuiet({ pm2, log, runner }, config, boots) {
    const running = await pm2.list();
    const reloaded = config.filter((app) => !endsByItself(app) && running.some(({ name }) => name === app.name));
    const clocked = reloaded.filter((app) => patternsOf(app, running).length > 0);
    if (clocked.length === 0)
        return;
    const patterns = clocked.flatMap((app) => patternsOf(app, running));
    const needed = reloaded.map((app) => expectedInstances(app).count * replacing(app, boots));
    const settling = Math.max(...clocked.map((app) => replacing(app, boots)));
    // What runs is looked at next. An app that PM2 restarts at that moment would count as one that was down before.
    const isRestarted = (one) => clocked.some(({ name }) => name === one.name) && isInPlannedRestart(one, Date.now());
    await waitWhile(pm2, isRestarted, settling);
    const reload = needed.reduce((sum, one) => sum + one, 0);
    const times = await restartTimes(pm2.install.root, pm2.env, [...new Set(patterns)], WAITS_AT_MOST + reload);
    const wait = quietIn(times, reload, settling);
    const names = clocked.map(({ name }) => `'${name}'`).join(', ');
    if (wait === null) {
        const seconds = Math.ceil(reload / 1000);
        warn(log, `PM2 restarts ${names} by cron_restart more often than every ${seconds} s, which a reload may take. A restart in the middle of the reload can undo this deploy. Set cron_restart to less often.`);
    }
    else if (wait > 0) {
        const seconds = Math.ceil(wait / 1000);
        inform(log, `PM2 is about to restart ${names} by cron_restart. The reload waits ${seconds} s for that.`);
        // What follows sees a cancel for itself.
        await (0,promises_namespaceObject.setTimeout)(wait, undefined, { signal: runner.cancelled }).catch(() => { });
    }
}
/**
 * How long to wait for a time in which none of `times` lies less than `reload` ahead or `settling` behind; null where none
 * comes soon. All are milliseconds, `times` from now and in order.
 */
function quietIn(times, reload, settling) {
    let start = 0;
    for (const time of times) {
        if (time - start >= reload)
            break;
        start = time + settling;
    }
    return start <= WAITS_AT_MOST ? start : null;
}
/** PM2 keeps the clock that it started with, until it has replaced the instance. */
function patternsOf(app, running) {
    const ofInstances = running
        .filter(({ name }) => name === app.name)
        .map(({ settings }) => settings.cron_restart);
    return [app.cron_restart, app.cron, ...ofInstances].filter(isPattern);
}
/** How long PM2 may take to replace one instance, in milliseconds. */
function replacing(app, boots) {
    const boot = boots.find(({ name }) => name === app.name);
    const took = boot === undefined ? null : bootTime(app, boot);
    const starts = took === null ? listenTimeoutOf(app) : took * 2;
    return starts + Math.min(killTimeoutIn(app), quiet_moment_ENDS_WITHIN);
}

;// CONCATENATED MODULE: ./host/health/live-health.js











/** How long a restart by `cron_restart` may take, and how often we look, in milliseconds. */
const RESTARTS_WITHIN = 5_000;
const live_health_LOOK_EVERY = 200;
/** Why the version that was verified last is not healthy now, by the rules of a deploy, at this one moment; or null. */
async function complaintAboutLive(context, current) {
    const { places } = context;
    const { healthUrl, pm2Env } = context.plan;
    const { config, ports, runsAs, since } = current;
    const expected = {
        deployId: runsAs,
        instances: expectedCounts(config),
        ports,
        after: ticksOf(since),
        knownOrphans: orphansOf(context.pm2, await context.pm2.list()),
        healthUrl: healthUrl === null ? null : healthTarget(healthUrl, config, pm2Env, ports),
        elsewhere: elsewhereOf(treeOf(places), places),
    };
    let verdict;
    const deadline = performance.now() + RESTARTS_WITHIN;
    do {
        const seen = await observe(context.pm2, expected);
        const now = context.plan.container === null ? seen : asRestarted(seen, runsAs);
        verdict = judge(expected, now, now);
        // PM2 restarts it by its clock at this very moment: that is how the app is meant to run.
    } while (verdict.kind === 'pending' &&
        verdict.planned &&
        performance.now() < deadline &&
        (await (0,promises_namespaceObject.setTimeout)(live_health_LOOK_EVERY, true)));
    return verdict.kind === 'healthy' ? null : verdict.why;
}
/**
 * What pm2-runtime started with the container carries no deploy's id. It runs the files as they were then: whether that was after
 * the swap tells its start.
 */
function asRestarted(seen, runsAs) {
    const instances = seen.instances.map((one) => ({ ...one, deployId: one.deployId ?? runsAs }));
    return { ...seen, instances };
}
/**
 * What is wrong with the live app's answer to `health-url` at this moment; null if it is good, and if nobody can ask. For a
 * deploy that touched neither its files nor its processes: what it shares with them, such as a database, is another matter.
 */
async function complaintAtHealthUrl({ plan, places, pm2 }) {
    if (plan.healthUrl === null)
        return null;
    const own = instancesIn(places.top, await pm2.list());
    const chosen = own.filter(({ name }) => plan.apps.length === 0 || plan.apps.includes(name));
    const { before } = await readBaseline(pm2, chosen.map(({ name }) => name));
    if (before.apps.length === 0)
        return null;
    const url = absoluteUrl(plan.healthUrl, before.ports, declaredPorts(before.apps, null));
    return url === null ? null : complaintAbout(url);
}

;// CONCATENATED MODULE: ./host/upload/arrived.js


/** An upload that no deploy has taken in by then was given up by its runner. Milliseconds. */
const arrived_KEPT_FOR = 24 * 3_600_000;
/** Where the uploads for all apps of this user wait for their deploys: one of git's pack files for each, with its index. */
function uploadsIn(stateRoot) {
    return (0,external_node_path_namespaceObject.join)(stateRoot, 'uploads');
}
function packFile(uploads, deployId) {
    return (0,external_node_path_namespaceObject.join)(uploads, `${deployId}.pack`);
}
function indexFile(uploads, deployId) {
    return (0,external_node_path_namespaceObject.join)(uploads, `${deployId}.idx`);
}
/** The directory of an upload while it arrives. The process is named, so that what a killed one left can be told. */
function partOf(uploads, deployId, pid) {
    return (0,external_node_path_namespaceObject.join)(uploads, `${deployId}.${pid}.part`);
}
/** Removes what a deploy has not used, and what was left by sessions and deploys that are gone. */
function sweepUploads(uploads, deployId) {
    if (!(0,external_node_fs_namespaceObject.existsSync)(uploads))
        return;
    for (const name of (0,external_node_fs_namespaceObject.readdirSync)(uploads)) {
        if (name.startsWith(`${deployId}.`) || isLeft(uploads, name))
            (0,external_node_fs_namespaceObject.rmSync)((0,external_node_path_namespaceObject.join)(uploads, name), { recursive: true, force: true });
    }
}
function isLeft(uploads, name) {
    const pid = /\.(\d+)\.part$/.exec(name)?.[1];
    if (pid !== undefined)
        return !(0,external_node_fs_namespaceObject.existsSync)(`/proc/${pid}`);
    const stat = (0,external_node_fs_namespaceObject.statSync)((0,external_node_path_namespaceObject.join)(uploads, name), { throwIfNoEntry: false });
    return stat !== undefined && Date.now() - stat.mtimeMs > arrived_KEPT_FOR;
}

;// CONCATENATED MODULE: ./host/upload/take-in.js






/** Bytes. */
const DIGEST = 20;
/** Puts the upload that has arrived for this deploy, and that git has checked, into the repository at `path`, as the commit `sha`. */
async function takeInUpload({ plan, places, git }, sha) {
    const uploads = uploadsIn((0,external_node_path_namespaceObject.dirname)(places.state));
    const pack = packFile(uploads, plan.deployId);
    if ((0,external_node_fs_namespaceObject.existsSync)(pack)) {
        const path = await git.text(['rev-parse', '--git-path', 'objects/pack'], 'Reading the repository');
        const target = (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.resolve)(git.directory, path.trim()), `pack-${digestOf(pack)}`);
        (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.dirname)(target), { recursive: true });
        // Git takes a pack for there once its index is.
        take_in_place(pack, `${target}.pack`);
        take_in_place(indexFile(uploads, plan.deployId), `${target}.idx`);
    }
    if (await isWhole(git, sha))
        return;
    throw new DeployFailure(`The upload ${sha} is not on this host as a whole.`, {
        remedy: 'Run the job again. It sends what is missing.',
    });
}
/** A pack's own digest, at its end: git names it so. */
function digestOf(pack) {
    const descriptor = (0,external_node_fs_namespaceObject.openSync)(pack, 'r');
    try {
        const digest = Buffer.alloc(DIGEST);
        (0,external_node_fs_namespaceObject.readSync)(descriptor, digest, 0, DIGEST, (0,external_node_fs_namespaceObject.fstatSync)(descriptor).size - DIGEST);
        return digest.toString('hex');
    }
    finally {
        (0,external_node_fs_namespaceObject.closeSync)(descriptor);
    }
}
/** On the disk as a whole, or not there: the repository must not hold half a pack after a power loss. */
function take_in_place(from, to) {
    (0,external_node_fs_namespaceObject.chmodSync)(from, 0o444);
    sync(from);
    try {
        (0,external_node_fs_namespaceObject.renameSync)(from, to);
    }
    catch (error) {
        if (error.code !== 'EXDEV')
            throw error;
        (0,external_node_fs_namespaceObject.copyFileSync)(from, `${to}.pm2-ssh-deploy`);
        sync(`${to}.pm2-ssh-deploy`);
        (0,external_node_fs_namespaceObject.renameSync)(`${to}.pm2-ssh-deploy`, to);
        (0,external_node_fs_namespaceObject.rmSync)(from);
    }
}

;// CONCATENATED MODULE: ./host/deploy/target.js








const LISTED = 20;
/** Makes the repository at `path` for a first deploy, in the object format of the one that commits come from. */
async function beginRepository(context) {
    const { plan, git, gitIn } = context;
    // A full id tells the format; it spares asking.
    const format = plan.ref !== null && isFullId(plan.ref)
        ? formatOf(plan.ref)
        : await formatOfRemote(await openRemote(gitIn('/'), plan.repository, context.access));
    await createRepository(git, plan.repository.url, format);
}
/**
 * Brings the commit that is to go live onto the host: the one that was asked for, or in `rollback` an earlier one that
 * was verified here. `current` is the one that is checked out. Resolves with its full id.
 */
async function targetCommit(context, current) {
    const { plan, journal, log } = context;
    const { mode, ref } = plan;
    if (mode !== 'rollback') {
        if (ref === null)
            throw new DeployFailure('The plan names no commit.');
        if (plan.source.kind === 'upload') {
            await takeInUpload(context, ref);
            return ref;
        }
        return fetch(context, ref, ruleOf(plan));
    }
    const entries = journal.entries();
    const version = ref === null ? previousVersion(entries, current) : await namedVersion(context, entries, ref);
    inform(log, `Rolling back to ${describe(version)}.`);
    // It was verified here, whatever became of its branch.
    return fetch(context, version.sha, 'any');
}
function fetch(context, ref, rule) {
    const { git, gitIn, plan } = context;
    return fetchCommit(git, gitIn, { ref, rule, repository: plan.repository }, context.access);
}
/** The last verified version before the current one. Where HEAD was moved by hand since, that is the last one of all. */
function previousVersion(entries, current) {
    const version = versionBefore(entries, current);
    if (version !== null)
        return version;
    throw new DeployFailure(`There is no version to roll back to. No commit was verified here before ${current ?? 'this'}, or each was rolled back.`, {
        output: endedDeploys(entries).slice(-LISTED).reverse().map(describe),
        remedy: 'Deploy the commit that you want: mode deploy, with its id as ref.',
    });
}
/** The verified version that `ref` names: an id, the beginning of one, a branch or a tag. */
async function namedVersion(context, entries, ref) {
    const good = goodVersions(entries);
    const begin = /^[0-9a-f]{7,}$/.test(ref) ? good.filter(({ sha }) => sha.startsWith(ref)) : [];
    if (begin.length === 1 && begin[0] !== undefined)
        return begin[0];
    const sha = isFullId(ref) ? ref : await fetch(context, ref, 'tracked');
    const version = good.find((one) => one.sha === sha);
    if (version !== undefined)
        return version;
    const name = ref === sha ? sha : `${ref} (${sha})`;
    throw new DeployFailure(isBad(entries, sha)
        ? `${name} is marked bad: it had to be rolled back the last time that it went live here.`
        : `${name} was never verified here, so a rollback cannot go to it.`, {
        output: good.slice(0, LISTED).map(describe),
        remedy: `${good.length === 0 ? 'No version was verified here.' : 'Verified versions are listed, newest first.'} You can deploy any commit: mode deploy, with its id as ref.`,
    });
}
function describe({ sha, outcome, at, run }) {
    return `${sha ?? 'an unknown commit'}, ${outcome} at ${at} by ${run.actor}, ${run.url}`;
}

;// CONCATENATED MODULE: ./host/deploy/readiness.js










/** Looks at the host before it is locked. Changes nothing. */
async function readinessOf(context) {
    const { places, plan } = context;
    const sha = isCheckout(places.top) ? (await readLiveHead(context)).sha : null;
    return {
        place: readiness_placeOf(places.top),
        sha,
        healthy: await isHealthy(context),
        previous: plan.mode === 'rollback' && plan.ref === null ? previousOf(context, sha) : null,
    };
}
/**
 * The same for every name, address and link that leads to this directory, and for every user. A machine's id would not do:
 * cloned machines share it, and the numbers of their files too.
 */
function readiness_placeOf(live) {
    const there = exists(live) ? live : (0,external_node_path_namespaceObject.dirname)(live);
    const { dev, ino } = (0,external_node_fs_namespaceObject.statSync)(exists(there) ? there : '/');
    const place = [bootId(), dev, ino, exists(live) ? '' : live];
    return (0,external_node_crypto_namespaceObject.createHash)('sha256').update(JSON.stringify(place)).digest('hex');
}
/** What cannot be read or asked counts as unhealthy: that host goes first. */
async function isHealthy(context) {
    try {
        const current = loadCurrent(context.places.state);
        return current === null || (await complaintAboutLive(context, current)) === null;
    }
    catch {
        return false;
    }
}
function previousOf({ journal }, sha) {
    try {
        return previousVersion(journal.entries(), sha).sha;
    }
    catch {
        // The deploy itself says why there is none.
        return null;
    }
}

;// CONCATENATED MODULE: ./host/deploy/reconcile.js














/** A deploy of another job, which nobody follows any more. */
const NOBODY = { onState() { }, standBy: () => Promise.resolve() };
/**
 * Ends what a deploy, killed in the middle, left open: what really runs decides which way. Throws where not even the
 * files of the old version can be brought back. `trouble` is what its reload was stopped for, from `watchLeftReload`.
 */
async function reconcile(context, trouble, owner = NOBODY) {
    const entry = unfinished(context.journal.entries());
    if (entry === null)
        return;
    const transaction = loadTransaction(context.places.state);
    if (transaction === null || transaction.deployId !== entry.deploy) {
        throw new DeployFailure(`Deploy ${entry.deploy} was interrupted in ${entry.state}, and its record is gone from ${context.places.state}.`, {
            remedy: 'Make sure that the app runs as it should. Then remove that directory and run the job again.',
        });
    }
    inform(context.log, `Deploy ${entry.deploy} (${entry.run.url}) was interrupted in ${entry.state}. This run ends it first.`);
    for (const app of [...transaction.before.apps, ...transaction.config])
        context.redactor.hide(secretsOfApp(app));
    // A reboot kills git as well, in the middle of the index: nobody else is to be asked to take its lock away.
    const locks = await removeGitLocks(context.git, transactionSavedAt(context.places.state));
    if (locks.length > 0)
        warn(context.log, `Removed lock files of a git that was killed: ${locks.join(', ')}.`);
    const turn = await startPm2Turn(context);
    try {
        const isOwn = transaction.deployId === context.plan.deployId;
        const teller = isOwn ? owner : { ...NOBODY, onState: owner.onState };
        await reconcile_end(context, entry, transaction, trouble, turn, teller);
    }
    finally {
        turn.end();
    }
}
async function reconcile_end(context, entry, transaction, trouble, turn, { onState, standBy }) {
    const { journal } = context;
    const isGoingBack = entry.state === 'rolling-back' || entry.state === 'rollback-failed';
    const { deployId } = transaction;
    await endHalfWay(context, isGoingBack ? rollbackId(deployId) : deployId);
    // What a rollback is for was noted as it began.
    const killed = [`The host program was killed, or crashed, in ${entry.state}.`, trouble ?? []]
        .flat()
        .join(' ');
    let why = entry.reason ?? (transaction.migrated ? `${killed} ${NOT_UNDONE}` : killed);
    if (entry.state !== 'rollback-failed') {
        if (entry.state !== 'rolling-back' && trouble === null) {
            onState('verifying');
            const expected = await healthyAs(context, transaction);
            const onBegin = () => {
                onState('verified');
                journal.enter(entry, 'verified');
            };
            const refusal = expected === null ? null : await refusalOf(() => standBy(turn, onBegin));
            if (expected !== null && refusal === null) {
                await commit(context, transaction, expected);
                inform(context.log, `Its version is healthy and stays: ${transaction.sha}.`);
                onState('committed');
                return;
            }
            if (refusal !== null)
                why = transaction.migrated ? `${refusal} ${NOT_UNDONE}` : refusal;
        }
        try {
            journal.enter(entry, 'rolling-back', why);
            onState('rolling-back');
            await rollBack(context, transaction, true);
            journal.end(entry, 'rolled-back', 'rolled-back', why);
            onState('rolled-back');
            inform(context.log, `Deploy ${entry.deploy} was rolled back.`);
            return;
        }
        catch (error) {
            why = `${why} Then the rollback failed, too: ${error.message}`;
            journal.end(entry, 'rollback-failed', 'rollback-failed', why);
            onState('rollback-failed');
        }
    }
    // The rollback was tried and did not become healthy: the files are made whole, and a new version is the way out.
    await exchangeOf(context, transaction).swapOut();
    journal.end(entry, 'rolled-back', 'rollback-failed', why);
    warn(context.log, 'Its rollback had failed. The files of the old version are in place, and a deploy can go on from there.');
}
/** What the version is healthy as; null if it is not, or not swapped in. */
async function healthyAs(context, transaction) {
    // A rollback that a full disk kept from being written down may have begun: then the processes alone are new.
    if (transaction.swapped === null || !exchangeOf(context, transaction).isIn())
        return null;
    const expected = expectationOf(transaction);
    try {
        // A deploy of this very job has all of its time; what an earlier one left had that long ago.
        const isOwn = transaction.deployId === context.plan.deployId;
        const limits = { ...transaction, ...(!isOwn && { healthTimeout: 0 }) };
        await context.clock.book('verify', () => verify(context.pm2, expected, limits, { tell: (text) => inform(context.log, text) }));
        return expected;
    }
    catch (error) {
        inform(context.log, `Its version is not healthy: ${error.message}`);
        return null;
    }
}
/** Why a verified version has to go back; null if it stays. */
async function refusalOf(standBy) {
    try {
        await standBy();
        return null;
    }
    catch (error) {
        if (!(error instanceof DeployFailure))
            throw error;
        return error.message;
    }
}

;// CONCATENATED MODULE: ./host/deploy/reload-commands.js









/**
 * Runs `before-reload-command`, the work, then `after-reload-command`, however the work ended: a host that was taken out
 * of a load balancer has to come back. Throws where the first command or the work does.
 */
async function betweenReloadCommands(context, work) {
    const service = serviceOf(context);
    let end;
    try {
        await service.leave();
        end = await work(service);
    }
    catch (error) {
        const failure = await service.join();
        if (failure !== null)
            warn(context.log, failure.message);
        throw error;
    }
    const failure = await service.join();
    return failure === null ? end : withFailure(end, failure);
}
function serviceOf(context) {
    const { steps, workingDirectory, commandTimeout } = context.plan;
    const { 'before-reload': before, 'after-reload': after } = steps;
    let hasLeft = false;
    return {
        async leave() {
            if (before.kind === 'none' && after.kind === 'none')
                return;
            writeVersioned(reload_commands_noteOf(context), reload_commands_FORMAT, {
                after: after.kind === 'command' ? after.command : null,
                workingDirectory,
                commandTimeout,
            });
            hasLeft = true;
            await runStep(context, 'before-reload', reload_commands_liveCheckout(context));
        },
        async join() {
            if (!hasLeft)
                return null;
            hasLeft = false;
            return runAfter(context);
        },
    };
}
/**
 * Runs the `after-reload-command` of a deploy whose program was killed before that, as that deploy would have run it. Says
 * why it failed, if it did.
 */
async function endReloadCommands(context) {
    const left = readVersioned(reload_commands_noteOf(context), reload_commands_FORMAT);
    if (left === null)
        return null;
    const { workingDirectory = context.plan.workingDirectory, commandTimeout = context.plan.commandTimeout } = left;
    const after = left.after === null ? { kind: 'none' } : { kind: 'command', command: left.after };
    const steps = { ...context.plan.steps, 'after-reload': after };
    const plan = { ...context.plan, steps, workingDirectory, commandTimeout };
    const failure = await runAfter({ ...context, plan });
    if (failure === null)
        return null;
    const message = `A deploy was interrupted before its after-reload-command. It was run now: ${failure.message}`;
    warn(context.log, message);
    return { ...failure, message };
}
/** Whether the host serves, for a program that ends what a killed one left. */
function leftService(context) {
    return { leave: serviceOf(context).leave, join: () => endReloadCommands(context) };
}
/**
 * The failure of a run that could not end an interrupted deploy. Its `after-reload-command` is not run while nobody knows what
 * serves. The failure says that, since the host may still be out of its load balancer.
 */
function withCommandLeft(context, failure) {
    const after = readVersioned(reload_commands_noteOf(context), reload_commands_FORMAT)?.after ?? null;
    if (after === null)
        return failure;
    return {
        ...failure,
        message: `${failure.message} The after-reload-command of the interrupted deploy has not run, so the host may still be out of its load balancer. A run that can end that deploy runs it. The command is below.`,
        output: [...failure.output, ...after.trim().split('\n')],
    };
}
async function runAfter(context) {
    try {
        // A cancel is no reason to leave the host out of its load balancer.
        await runStep(context, 'after-reload', reload_commands_liveCheckout(context), new AbortController().signal);
        return null;
    }
    catch (error) {
        return failureOf(error, 'committed');
    }
    finally {
        (0,external_node_fs_namespaceObject.rmSync)(reload_commands_noteOf(context), { force: true });
    }
}
/** The version stays: to take it back would not put the host back either. */
function withFailure(end, failure) {
    if (end.failure === null)
        return { ...end, failure };
    const message = `${end.failure.message} ${failure.message}`;
    return { ...end, failure: { ...end.failure, message, output: [...end.failure.output, ...failure.output] } };
}
/** Before a first deploy there is no more than the directory itself. */
function reload_commands_liveCheckout({ places, plan }) {
    const top = treeOf(places);
    const workDir = (0,external_node_path_namespaceObject.join)(top, plan.workingDirectory);
    return { top, workDir: exists(workDir) ? workDir : top };
}
const reload_commands_noteOf = ({ places }) => (0,external_node_path_namespaceObject.join)(places.state, 'after-reload.json');
const reload_commands_FORMAT = {
    what: 'The note of commands around a reload',
    readers: [
        fields({ after: orNull(checked_text) }),
        fields({ after: orNull(checked_text), workingDirectory: checked_text, commandTimeout: number }),
    ],
};

;// CONCATENATED MODULE: external "node:fs/promises"
const external_node_fs_promises_namespaceObject = require("node:fs/promises");
;// CONCATENATED MODULE: ./host/deploy/removal.js














/** What of the state directory outlives the app: who did what here, and the lock that another deploy may wait for. */
const removal_STAYS = ['journal.ndjson', 'lock', 'holder.json'];
/**
 * Takes the app out of PM2, and its directory away. Only what a deploy of ours brought goes: all else is refused before
 * anything is changed. Once begun it is finished, by a later run if this one is killed.
 */
async function removal_remove(context, progress) {
    const { places, plan, pm2, runner, journal } = context;
    const left = unfinished(journal.entries());
    if (!exists(places.top) && left === null)
        return nothingThere(await pm2.list(), places.top);
    if (journal.entries().length === 0)
        throw refused(`This action never deployed to ${places.top}.`);
    progress.enter('locked');
    await takeAppLock(context);
    const sha = isRemoval(left) ? left.sha : (await readHead(context.git)).sha;
    try {
        const entries = journal.entries();
        if (!isRemoval(unfinished(entries))) {
            const newer = newerRun(entries, plan.run);
            if (newer !== null && !plan.force)
                refuseOlderRun(newer, plan.run);
            refuseOthers(context, sha, await pm2.list());
        }
        runner.standAlone();
        progress.enter('removing');
        journal.enter(subjectOf(plan, sha), 'removing');
        await takeAway(context);
        journal.end(subjectOf(plan, sha), 'removed', 'removed');
        progress.enter('removed');
        return { outcome: 'removed', sha: null, previousSha: sha, failure: null };
    }
    catch (error) {
        const failure = failureOf(error, progress.state);
        if (progress.state === 'removing' && failure.remedy === null)
            failure.remedy = 'Run the job again: it goes on with the removal.';
        const now = (await readHead(context.gitAfterwards)).sha;
        return { outcome: 'failed', sha: now, previousSha: sha, failure };
    }
}
/** Ends the removal that this very job has begun, and whose program was killed. */
async function resumeRemoval(context, progress) {
    const { plan, journal, git } = context;
    const begun = journal
        .entries()
        .filter(({ deploy }) => deploy === plan.deployId)
        .at(-1);
    if (begun === undefined) {
        const { sha } = await readHead(git);
        const killed = new DeployFailure('The program that removes the app was killed before it began. Nothing was removed.', { remedy: 'Run the job again.' });
        return { outcome: 'failed', sha, previousSha: sha, failure: failureOf(killed, 'locked') };
    }
    if (begun.outcome === null) {
        progress.enter('removing');
        await takeAppLock(context);
        await finishRemoval(context);
        progress.enter('removed');
    }
    return { outcome: 'removed', sha: null, previousSha: begun.sha, failure: null };
}
/** Ends a removal that was interrupted, with the app's lock held, and makes the directory anew for the deploy that follows. */
async function endRemoval(context) {
    if (await finishRemoval(context))
        (0,external_node_fs_namespaceObject.mkdirSync)(context.places.top, { recursive: true });
}
async function finishRemoval(context) {
    const { journal, log } = context;
    const left = unfinished(journal.entries());
    if (!isRemoval(left))
        return false;
    inform(log, `A removal (${left.run.url}) was interrupted. It is ended first.`);
    await takeAway(context);
    journal.end(left, 'removed', 'removed');
    return true;
}
function isRemoval(entry) {
    return entry?.state === 'removing';
}
/** Can be done again after a kill at any point. */
async function takeAway(context) {
    const { places, plan, pm2, clock, log } = context;
    const { top, beside, state } = places;
    const turn = await startPm2Turn(context);
    try {
        const own = instancesIn(top, await pm2.list());
        const names = removal_namesOf(own, loadCurrent(state));
        await clock.book('pm2', () => pm2.remove(own));
        if (plan.save && names.length > 0)
            await clock.book('pm2', () => pm2.save(names));
        if (names.length > 0)
            inform(log, `Removed from PM2: ${names.join(', ')}.`);
    }
    finally {
        turn.end();
    }
    makePrivate(beside);
    // At once, so that nobody ever meets half of a directory.
    const gone = (0,external_node_path_namespaceObject.join)(beside, 'removed');
    await (0,external_node_fs_promises_namespaceObject.rm)(gone, { recursive: true, force: true });
    if (exists(top))
        (0,external_node_fs_namespaceObject.renameSync)(top, gone);
    await (0,external_node_fs_promises_namespaceObject.rm)(beside, { recursive: true, force: true });
    const known = (0,external_node_fs_namespaceObject.readdirSync)(state).filter((name) => !removal_STAYS.includes(name));
    await Promise.all(known.map((name) => (0,external_node_fs_promises_namespaceObject.rm)((0,external_node_path_namespaceObject.join)(state, name), { recursive: true, force: true })));
}
function removal_namesOf(own, current) {
    return [...new Set([...own, ...(current?.config ?? [])].map(({ name }) => name))];
}
/** Where there is no directory. PM2 may still run something from there, which no deploy of ours has left so. */
function nothingThere(all, top) {
    const own = instancesIn(top, all);
    if (own.length > 0)
        throw new DeployFailure(`${top} is gone, but PM2 runs '${own[0]?.name}' there. Somebody removed the directory by hand.`, { remedy: `Take it out of PM2 on the server: 'pm2 delete ${own[0]?.name}'.` });
    return { outcome: 'unchanged', sha: null, previousSha: null, failure: null };
}
/** Refuses to take away what no deploy of ours brought. Throws a `DeployFailure`. */
function refuseOthers({ places, journal }, sha, all) {
    const { top, beside, state } = places;
    const current = loadCurrent(state);
    if (current === null && !isEmptyCheckout(top, sha, journal.entries()))
        throw refused(`No version in ${top} was ever deployed by this action and verified.`);
    const other = instancesIn(top, all).find((one) => !isOurs(one, current));
    if (other !== undefined)
        throw refused(`PM2 runs '${other.name}' from ${other.cwd}, and this action did not deploy it.`);
    if (!(0,external_node_fs_namespaceObject.statSync)((0,external_node_path_namespaceObject.join)(top, '.git')).isDirectory())
        throw refused(`${top} is a worktree of another repository.`);
    const mount = mountPoints().find((point) => isWithin(top, point));
    if (mount !== undefined)
        throw refused(`Something is mounted at ${mount}.`);
    if (!isWritable((0,external_node_path_namespaceObject.dirname)(top)) || isWithin(top, beside))
        throw refused(`This user may not remove ${top}: it may not write to ${(0,external_node_path_namespaceObject.dirname)(top)}, or that is another mount.`);
}
/** What a first deploy leaves that failed: a repository without a version. */
function isEmptyCheckout(top, sha, entries) {
    return sha === null && entries.length > 0 && (0,external_node_fs_namespaceObject.readdirSync)(top).every((name) => name === '.git');
}
function isOurs({ name, cwd, deployId }, current) {
    const known = current?.config.find((app) => app.name === name);
    return known !== undefined && deployId !== null && realOrSame(cwd) === realOrSame(String(known.cwd));
}
function refused(why) {
    return new DeployFailure(`${why} Nothing was removed.`, {
        remedy: 'Check path for a typing error. If all of it is to go, remove it by hand on the server.',
    });
}

;// CONCATENATED MODULE: ./host/git/garbage.js
/**
 * For a small server: one core and little memory. Git's own rules say what is garbage: what no ref and no reflog has named for two
 * weeks.
 */
const SPARING = [
    ['gc.auto', '6700'],
    ['gc.autoDetach', 'false'],
    ['gc.autoPackLimit', '20'],
    ['pack.threads', '1'],
    ['pack.windowMemory', '32m'],
].flatMap(([key, value]) => ['-c', `${key}=${value}`]);
/** Each upload brings a pack. Once there are many, git makes one of them, and drops what no version needs any more. */
async function collectUploads(git) {
    await git.attempt([...SPARING, 'gc', '--auto', '--quiet']);
}

;// CONCATENATED MODULE: ./host/program/sweep.js




/** Files that a deploy removes at its end. PM2's config and a canary's files hold environments of apps; a command may hold a secret. */
const PASSING = /^(reserve$|room$|pm2-ssh-deploy|canary-\d|[a-z-]+-command\.sh$)/;
/** Removes such files from the run directory of a program that was killed. */
async function sweepRun(run) {
    const left = (0,external_node_fs_namespaceObject.readdirSync)(run).filter((name) => PASSING.test(name));
    if (left.length === 0 || mayRun(run))
        return;
    await Promise.all(left.map((name) => (0,external_node_fs_promises_namespaceObject.rm)((0,external_node_path_namespaceObject.join)(run, name), { recursive: true, force: true })));
}
function mayRun(run) {
    try {
        return stillRuns(loadProgram(run));
    }
    catch {
        // It is just starting.
        return true;
    }
}

;// CONCATENATED MODULE: ./host/deploy/releases-in-use.js



/**
 * The names of those directories in `releases` that somebody needs: a live process, an app that PM2 may start again, or PM2 itself.
 * A process may have left its directory, and have no file of it open, and still load code from there.
 */
function releasesInUse(top, { root }, listed, replaced) {
    const needed = listed.flatMap(({ cwd, script, interpreter, args }) => [cwd, script, interpreter, ...args]);
    const used = new Set(namesAmong(belowTop(top, [root, ...needed], '/')));
    for (const pid of allPids()) {
        const named = belowTop(top, startedWith(pid), directoryOf(pid));
        const own = filesOf(pid)
            .filter((path) => path.startsWith(`${top}/`))
            .map((path) => path.slice(top.length + 1));
        const started = named.some((path) => /^current(\/|$)/.test(path)) ? startTicks(pid) : null;
        const through = started === null ? [] : liveAt(started, replaced);
        for (const name of [...namesAmong([...named, ...own]), ...through])
            used.add(name);
    }
    return used;
}
/** The texts of a process that may be paths: the words of its command line, and the directory in which PM2 started it. */
function startedWith(pid) {
    const words = argumentsOf(pid).flatMap((argument) => argument.split(/[\s=]/));
    const env = environmentOf(pid);
    return [...words, env.get('pm_cwd') ?? directoryOfWorker(env.get('pm2_env')) ?? ''];
}
/** PM2 gives the settings of a worker in cluster mode as JSON. */
function directoryOfWorker(settings) {
    try {
        return String(JSON.parse(settings ?? '').pm_cwd);
    }
    catch {
        return null;
    }
}
/** Those of these texts that name something below `top`, relative to it. */
function belowTop(top, texts, from) {
    // To look up each word of each process would take seconds.
    const paths = texts.filter((text) => /(^|\/)(releases|current)(\/|$)/.test(text));
    return paths.flatMap((path) => below(top, (0,external_node_path_namespaceObject.resolve)(from, path)) ?? []);
}
function namesAmong(paths) {
    return paths.flatMap((path) => path.match(/^releases\/([^/]+)/)?.[1] ?? []);
}
/**
 * The version to which `current` led when a process started. Of versions that are gone nothing is known, so what was started
 * before all others counts for the oldest one.
 */
function liveAt(started, replaced) {
    const boot = bootId();
    const known = replaced.flatMap(({ release, until }) => (until?.boot === boot ? [{ release, until }] : []));
    const later = known.filter(({ until }) => started <= until.ticks);
    const [first] = later.sort((a, b) => a.until.ticks - b.until.ticks);
    return first === undefined ? [] : [first.release];
}

;// CONCATENATED MODULE: ./host/deploy/prune-releases.js














/**
 * Removes the directories of versions that nothing needs. What is live stays, and what is `wanted`, and whatever a process uses,
 * and a version with something of the app's own that cannot be moved, and what no deploy of ours made.
 * Gives the versions that stay beside the wanted ones. To be called with no deploy unfinished.
 */
async function pruneReleases(context, wanted) {
    const { places, pm2, journal } = context;
    const { top, state } = places;
    const releases = releasesIn(top);
    const live = realOrSame(currentIn(top));
    if (!exists(releases) || !isWithin(releases, live))
        return [];
    const ended = endedDeploys(journal.entries());
    const unshared = await endSharing(context, ended);
    const kept = new Set([live, unshared, ...wanted.map((one) => placeOfReplaced(places, one))]);
    const known = loadReplaced(state);
    const replaced = known.flatMap(({ files }) => (files.layout === 'releases' ? [files] : []));
    const used = releasesInUse(top, pm2.install, await pm2.list(), replaced);
    const staying = [];
    for (const name of (0,external_node_fs_namespaceObject.readdirSync)(releases)) {
        const release = (0,external_node_path_namespaceObject.join)(releases, name);
        if (kept.has(release))
            continue;
        const version = known.find((one) => placeOfReplaced(places, one) === release);
        const deploy = ended.find((one) => one.deploy === name) ?? null;
        const isGone = !used.has(name) && (await removes(context, release, deploy, version ?? null));
        if (!isGone && version !== undefined)
            staying.push(version);
    }
    return staying;
}
/** A version that went live and that nothing is known to have replaced: somebody changed the link by hand since. */
function deployedAs(state, { deploy, outcome, sha }) {
    if (outcome !== 'deployed' || sha === null)
        return null;
    const build = `${RECORD_PREFIX}${deploy}.json`;
    const records = (0,external_node_fs_namespaceObject.readdirSync)(state).filter((file) => file.startsWith(RECORD_PREFIX) && buildOf(file) === build);
    return { sha, record: records.sort().at(-1) ?? build };
}
/** Removes the directory if nothing in it is of use. False if it stays. */
async function removes(context, release, deploy, version) {
    try {
        const built = version ?? (deploy === null ? null : deployedAs(context.places.state, deploy));
        const goes = built === null ? isOfNoUse(release, deploy) : await isEmptied(context, release, built);
        if (goes)
            await (0,external_node_fs_promises_namespaceObject.rm)(release, { recursive: true, force: true });
        return goes;
    }
    catch (error) {
        // Another user's file in one version is no reason to keep the others. The next deploy tries again.
        console.error(error);
        return false;
    }
}
/**
 * The program of the last good deploy may have been killed before it had moved all. Gives the directory that still has some of it,
 * as it cannot be moved now.
 */
async function endSharing(context, ended) {
    const transaction = loadTransaction(context.places.state);
    const last = ended.find(({ deploy }) => deploy === transaction?.deployId);
    if (transaction === null || last?.outcome !== 'deployed')
        return null;
    try {
        await exchangeOf(context, transaction).afterwards();
        return null;
    }
    catch (error) {
        console.error(error);
        return transaction.swap.layout === 'releases' ? transaction.swap.previous : null;
    }
}
/**
 * Whether a directory that no record names may go: a version that failed. What it wrote while it was live has gone back to the
 * version before. A deploy that was killed early is not in the journal, but its clone of the repository tells that it is ours.
 */
function isOfNoUse(release, deploy) {
    if (deploy !== null && deploy.outcome !== 'deployed')
        return true;
    return exists((0,external_node_path_namespaceObject.join)(release, '.git/objects/info/alternates')) && !holdsDatabase(release);
}
/** Moves what is the app's own out of a version. False if something of it stays. */
async function isEmptied({ places, gitAfterwards }, release, { sha, record }) {
    const made = await madeSinceBuilt(gitAfterwards, places.state, { release, sha, record });
    if (made === null)
        return false;
    const { isDatabase } = live_tree_readTree(release, release);
    // The version that runs may have a database open: it has to find it where it is.
    const stays = made.filter((path) => isDatabase(path) || !moveToShared(release, sharedIn(places.top), path, null));
    return stays.length === 0;
}
/** Where nothing tells what the build made, a database may be the app's. */
function holdsDatabase(release) {
    const { isDatabase } = live_tree_readTree(release, release);
    const visit = (directory) => (0,external_node_fs_namespaceObject.readdirSync)((0,external_node_path_namespaceObject.join)(release, directory), { withFileTypes: true }).some((entry) => {
        if (['.git', 'node_modules'].includes(entry.name))
            return false;
        const path = (0,external_node_path_namespaceObject.join)(directory, entry.name);
        return entry.isDirectory() ? visit(path) : isDatabase(path);
    });
    return visit('');
}

;// CONCATENATED MODULE: ./host/deploy/prune.js
















/** Verified versions whose commits git is told to keep. */
const KEPT_COMMITS = 10;
const KEPT_RUNS_FOR = 7 * 24 * 3_600_000;
/**
 * Removes what no deploy needs any more: all but the versions that can be gone back to and the last one that failed.
 * As long as a deploy is unfinished nothing goes, since its files may be the only ones of the old version.
 */
async function prune(context, deployId) {
    const { plan, places, env, gitAfterwards, runDir, journal } = context;
    requirePrivate(places.beside, places.state);
    const entries = journal.entries();
    if (unfinished(entries) !== null)
        return;
    const current = loadCurrent(places.state);
    // A rollback finds its commit here, also where the repository has lost it since.
    const earlier = versionStack(entries).slice(-KEPT_COMMITS);
    await pruneRefs(gitAfterwards, [...new Set([current?.sha ?? null, ...earlier.map(({ sha }) => sha)])]);
    const isShort = exists(places.beside) && (await isShortOfSpace(places.beside, env));
    const wanted = current === null ? [] : replacedToKeep(context, current, isShort);
    const others = plan.layout.kind === 'releases' ? await pruneReleases(context, wanted) : [];
    const earlierFiles = [...wanted, ...others];
    const keptIds = new Set(earlierFiles.map((one) => one.deployId));
    forgetReplaced(places.state, keptIds);
    const keep = new Set([`broken-${deployId}`, ...(current === null ? [] : [current.deployId]), ...keptIds]);
    if (!plan.freshInstall && !isShort)
        keep.add(INSTALL);
    const beside = prune_namesIn(places.beside).filter((name) => !keep.has(name) && !holdsReappeared((0,external_node_path_namespaceObject.join)(places.beside, name)));
    const recordsKept = new Set([current?.record, ...earlierFiles.map(({ record }) => record)]);
    const records = prune_namesIn(places.state).filter((name) => name.startsWith(RECORD_PREFIX) && !recordsKept.has(name));
    const runs = prune_namesIn((0,external_node_path_namespaceObject.dirname)(runDir)).map((name) => (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(runDir), name));
    const replaced = current === null ? [] : [(0,external_node_path_namespaceObject.join)(places.beside, current.deployId, 'version')];
    await Promise.all([
        ...beside.map((name) => prune_remove((0,external_node_path_namespaceObject.join)(places.beside, name))),
        ...records.map((name) => prune_remove((0,external_node_path_namespaceObject.join)(places.state, name))),
        ...[...runs.filter(isOld), ...replaced].map(prune_remove),
        ...runs.filter((run) => !isOld(run)).map(sweepRun),
    ]);
    if (plan.source.kind === 'upload')
        await collectUploads(gitAfterwards);
    // Last of all, since it needs room on the disk.
    journal.trim();
}
/** The versions to which a rollback needs no build: where the next one goes, then what the current one replaced, then all others. */
function replacedToKeep({ places, plan, journal }, current, isShort) {
    const there = loadReplaced(places.state).filter((one) => exists(placeOfReplaced(places, one)));
    const isLast = ({ deployId }) => deployId === current.deployId;
    const lastFirst = [...there.filter(isLast), ...there.filter((one) => !isLast(one))];
    const target = versionBefore(journal.entries(), current.sha)?.sha;
    // In place it needs the files of the version that it is gone back to from.
    const isTarget = ({ sha, over, files }) => sha === target && (files.layout === 'releases' || buildOf(over) === buildOf(current.record));
    const found = reachable(lastFirst, current.record);
    const targetFirst = [...found.filter(isTarget), ...found.filter((one) => !isTarget(one))];
    return targetFirst.slice(0, isShort ? 1 : plan.keepReleases);
}
/** What an app wrote while it was replaced, and nobody has looked at yet. */
function holdsReappeared(directory) {
    return ((0,external_node_fs_namespaceObject.statSync)(directory).isDirectory() &&
        (0,external_node_fs_namespaceObject.readdirSync)(directory).some((name) => name.startsWith('kept.reappeared')));
}
function prune_namesIn(directory) {
    return exists(directory) ? (0,external_node_fs_namespaceObject.readdirSync)(directory) : [];
}
/** Other apps' deploys have their run directories beside this one's, and may be running. */
function isOld(run) {
    return Date.now() - (0,external_node_fs_namespaceObject.statSync)(run).mtimeMs > KEPT_RUNS_FOR;
}
async function prune_remove(path) {
    await (0,external_node_fs_promises_namespaceObject.rm)(path, { recursive: true, force: true });
}

;// CONCATENATED MODULE: ./host/deploy/required-space.js






/** Less free space than this, in KiB, fails every install. */
const LEAST_SPACE = 64 * 1024;
/**
 * Removes earlier versions if the disk has filled up since the last deploy. Throws a `DeployFailure` if there is still too little
 * space for any install. To be called with the app's lock held and no deploy unfinished.
 */
async function requireSpace(context) {
    const { places, plan, env, log } = context;
    let free = await freeSpace(places.top, env);
    // A rollback may go to one of them, and needs no room.
    const needed = plan.mode === 'rollback' ? LEAST_SPACE : SPACE_TO_KEEP;
    if (free !== null && free < needed && loadReplaced(places.state).length > 1) {
        inform(log, `Only ${inMiB(free)} MiB are free on the disk of ${places.top}. Earlier versions are removed, except the last one.`);
        endLeftBuild(places.beside);
        await prune(context, plan.deployId).catch((error) => console.error(error));
        free = await freeSpace(places.top, env);
    }
    // If it cannot be told, the install says that there is too little.
    if (free === null || free >= LEAST_SPACE)
        return;
    throw new DeployFailure(`Only ${inMiB(free)} MiB are free on the disk of ${places.top}.`, {
        remedy: 'Free some space and run the job again.',
    });
}
function inMiB(free) {
    return Math.round(free / 1024);
}

;// CONCATENATED MODULE: ./host/build/start-script.js




const UNKNOWN = { kind: 'unknown' };
/** Programs that run source files as they are. */
const RUNS_SOURCE = /^(tsx|ts-node|ts-node-dev|ts-node-esm|babel-node|vite-node)$/;
/** The `scripts` of the package.json where an app runs, in the version at `top`; none if there is no such file. */
function scriptsOf({ cwd }, live, top) {
    try {
        const manifest = JSON.parse((0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(top, (0,external_node_path_namespaceObject.relative)(live, cwd), 'package.json'), 'utf8'));
        return manifest.scripts ?? {};
    }
    catch {
        return {};
    }
}
/** What really runs behind an app's launcher or command line; null if its script is a file that PM2 runs itself. */
function startedByLauncher(app, scripts) {
    const [program = '', ...inline] = (scriptOf(app) ?? '').trim().split(/\s+/);
    const launcher = launcherIn(program);
    if (launcher !== null)
        return { launcher, started: behind(launcher, [...inline, ...wordsOf(app.args)], scripts) };
    // PM2 gives a command line to bash.
    return inline.length === 0
        ? null
        : { launcher: 'a command line', started: startedBy([program, ...inline]) };
}
function behind(launcher, words, scripts) {
    if (RUNS_SOURCE.test(launcher))
        return { kind: 'source', program: launcher };
    if (!/^(npm|yarn|yarnpkg|pnpm)$/.test(launcher))
        return startedBy(words);
    const [first = '', ...rest] = words;
    const [name = '', ...more] = /^run(-script)?$/.test(first) ? rest : words;
    const command = scripts[name];
    if (command === undefined)
        return UNKNOWN;
    return startedBy([...command.trim().split(/\s+/), ...more.filter((word) => word !== '--')]);
}
/** The words of a command line. A shell's own signs, and flags that may take a value, are left unknown. */
function startedBy(words) {
    if (words.some((word) => /[&|;<>$`'"(){}*=]/.test(word)))
        return UNKNOWN;
    const [program = '', file = '', ...rest] = words;
    if (RUNS_SOURCE.test(program))
        return { kind: 'source', program };
    if (program === 'next' && file === 'start')
        return { kind: 'file', script: 'node_modules/next/dist/bin/next', args: ['start', ...rest].join(' ') };
    if (program !== 'node' || file.startsWith('-') || !/\w$/.test(file))
        return UNKNOWN;
    const script = /\.[cm]?js$/.test(file) ? file : `${file}.js`;
    return { kind: 'file', script, args: rest.length === 0 ? null : rest.join(' ') };
}
function wordsOf(args) {
    const text = Array.isArray(args) ? args.join(' ') : typeof args === 'string' ? args : '';
    return text.trim().split(/\s+/).filter(Boolean);
}
/** The settings to write in the launcher's place, after "Set" or "set". */
function settingsInstead(started) {
    const mode = "exec_mode: 'cluster', instances: 2";
    switch (started.kind) {
        case 'file': {
            const args = started.args === null ? '' : ` args: '${started.args}',`;
            return `set "script: '${started.script}',${args} ${mode}"`;
        }
        case 'source':
            return `have the build compile the app to JavaScript, and set "script: 'dist/server.js', ${mode}" with the compiled file`;
        case 'unknown':
            return `set "script: 'dist/server.js', ${mode}" with the JavaScript file that it starts`;
    }
}

;// CONCATENATED MODULE: ./host/build/advice.js



/** What of an app's settings may cost its users something in a deploy, each with the line to change. */
function adviseOn(app, { serves, sharesPort, scripts }) {
    const { count, mode } = expectedInstances(app);
    const advice = [
        app.watch === true || Array.isArray(app.watch)
            ? 'watch is on, so PM2 restarts it while its files are swapped: set "watch: false"'
            : null,
        // An app that does not serve, or has a clock, may be meant to end: then it would run again and again.
        app.autorestart === false && serves && !app.cron_restart
            ? 'autorestart is off, so PM2 leaves it down after a crash: set "autorestart: true"'
            : null,
        serves && mode === 'fork' && !sharesPort ? adviseOnFork(app, scripts) : null,
        mode === 'cluster' ? adviseOnLauncher(app, scripts) : null,
        serves && mode === 'cluster' && count === 1
            ? 'with one instance a slow start can cost requests: set "instances: 2"'
            : null,
    ];
    return advice.flatMap((text) => (text === null ? [] : `'${app.name}': ${text}.`));
}
const GAP = 'in fork mode PM2 stops it before it starts the new version, and refuses connections meanwhile';
/** Cluster mode is for a JavaScript file that PM2 starts itself. */
function adviseOnFork(app, scripts) {
    const behind = startedByLauncher(app, scripts)?.started ?? startedByInterpreter(app);
    if (behind !== null)
        return `${GAP}: ${settingsInstead(behind)}`;
    return isJavaScript(app) ? `${GAP}: set "exec_mode: 'cluster', instances: 2"` : null;
}
/** It can run in cluster mode as long as it listens nowhere. */
function adviseOnLauncher(app, scripts) {
    const found = startedByLauncher(app, scripts);
    if (found === null)
        return null;
    return `${found.launcher} in cluster mode works for an app without a port only. If it has one, ${settingsInstead(found.started)}`;
}
function startedByInterpreter(app) {
    const interpreter = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
    const words = [interpreter, app.node_args, app.interpreter_args, app.interpreterArgs].flat();
    const program = words
        .flatMap((word) => String(word ?? '').split(/[\s=]+/))
        .map((word) => (0,external_node_path_namespaceObject.basename)(word))
        .find((word) => RUNS_SOURCE.test(word));
    return program === undefined ? null : { kind: 'source', program };
}
function isJavaScript(app) {
    const interpreter = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
    if (typeof interpreter === 'string' && interpreter !== '')
        return /(^|\/)node(@.*)?$/.test(interpreter);
    return /\.[cm]?js$|\/next$/.test(scriptOf(app) ?? '');
}

;// CONCATENATED MODULE: ./host/pm2/setting-names.js
/** Settings of an app that PM2 5, 6 and 7 take from a config, with PM2's other names for each. A test compares them with PM2. */
const setting_names_NAMES = [
    ...['name', 'name_prefix', 'namespace', 'script', 'exec', 'cmd', 'command', 'args', 'cwd', 'install_url'],
    ...['exec_interpreter', 'interpreter', 'node_args', 'interpreter_args', 'execute_command', 'exec_mode'],
    ...['instances', 'increment_var', 'instance_var', 'env', 'filter_env', 'append_env_to_name', 'port', 'io'],
    ...[
        'out_file',
        'out',
        'output',
        'out_log',
        'error_file',
        'error',
        'err',
        'err_file',
        'err_log',
        'log_file',
    ],
    ...['log', 'disable_logs', 'log_type', 'log_date_format', 'time', 'merge_logs', 'combine_logs', 'pid_file'],
    ...['pid', 'write', 'max_memory_restart', 'min_uptime', 'max_restarts', 'restart_delay', 'autostart'],
    ...['exp_backoff_restart_delay', 'autorestart', 'stop_exit_codes', 'cron_restart', 'cron', 'post_update'],
    ...['wait_ready', 'listen_timeout', 'kill_timeout', 'kill_retry_time', 'shutdown_with_message', 'treekill'],
    ...['watch', 'watch_delay', 'watch_options', 'ignore_watch', 'uid', 'user', 'gid', 'username', 'force'],
    ...['source_map_support', 'disable_source_map_support', 'vizion', 'trace', 'disable_trace', 'v8', 'pmx'],
    ...['event_loop_inspector', 'deep_monitoring', 'automation', 'windowsHide'],
];
const KNOWN = new Set(setting_names_NAMES);
/** Whether PM2 takes a setting of this name; it takes `execMode` for `exec_mode` too. */
function isSetting(name) {
    return KNOWN.has(name) || name.startsWith('env_') || setting_names_NAMES.some((known) => camelCase(known) === name);
}
/** The setting that somebody who wrote this name may have meant; null if none is near. */
function nearestSetting(name) {
    const given = setting_names_plain(name);
    const near = setting_names_NAMES.map((known) => ({ known, distance: distance(given, setting_names_plain(known)) }))
        .filter(({ known, distance }) => distance <= Math.max(1, Math.floor(known.length / 4)))
        .sort((a, b) => a.distance - b.distance);
    return near[0]?.known ?? null;
}
function camelCase(name) {
    return name.replace(/_([a-z0-9]+)/g, (whole, word) => word.length > 1 ? word[0]?.toUpperCase() + word.slice(1) : whole.slice(1));
}
function setting_names_plain(name) {
    return name.replace(/[_-]/g, '').toLowerCase();
}
/** How many letters must be added, removed or replaced to make one text of the other. */
function distance(a, b) {
    let row = Array.from({ length: b.length + 1 }, (_, at) => at);
    for (let i = 1; i <= a.length; i++) {
        const above = row;
        row = [i];
        for (let j = 1; j <= b.length; j++) {
            const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
            row[j] = Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
        }
    }
    return row[b.length] ?? 0;
}

;// CONCATENATED MODULE: ./host/build/unknown-settings.js

/** A sentence for each setting that PM2 would ignore without a word. */
function unknownSettings(app) {
    return Object.keys(app)
        .filter((key) => !isSetting(key) || isEnvFile(key))
        .map((key) => `'${app.name}': PM2 has no setting '${key}' and ignores it. ${whatToDo(key, app[key])}`);
}
/** PM2 would take it for the variables of `--env file`. */
function isEnvFile(key) {
    return /^(env_?file|dot_?env)$/i.test(key);
}
function whatToDo(key, value) {
    if (isEnvFile(key)) {
        const file = typeof value === 'string' ? value : '.env';
        return `To load that file, call process.loadEnvFile('${file}') first in the app (Node 20.12 and newer), or use the package dotenv; or list the variables in "env".`;
    }
    const near = nearestSetting(key);
    return near === null ? 'Remove it, or move it to "env".' : `Did you mean '${near}'?`;
}

;// CONCATENATED MODULE: ./host/deploy/impossible.js



/**
 * Throws a `DeployFailure` if an app that serves runs a launcher such as npm in cluster mode. The app is then npm's child
 * and has the port for itself: PM2 restarts a second instance in a loop, and no new version can start beside the old one.
 */
function refuseLauncherInCluster(app, { runs, serves, scripts }) {
    const { mode, count } = expectedInstances(app);
    const found = startedByLauncher(app, scripts);
    if (found === null || mode !== 'cluster')
        return;
    // A worker of one instance needs no port. Of an app that never ran we do not know whether it does.
    if (!serves && (runs || count === 1))
        return;
    throw new DeployFailure(`'${app.name}' cannot run in cluster mode, because its script is ${found.launcher}. That starts the app as another process, which cannot share its port.`, {
        remedy: `In the ecosystem file, ${settingsInstead(found.started)}. Or keep the script and set "exec_mode: 'fork', instances: 1"; then each deploy has a short gap.`,
    });
}

;// CONCATENATED MODULE: ./host/deploy/known-of-app.js




/** Looks at what runs, and at the version that lies at `top`. */
async function knownOfApps({ pm2, plan, places }, apps, top) {
    const all = await pm2.list();
    const names = apps.map(({ name }) => name);
    const { ports } = (await readBaseline(pm2, names)).before;
    return (app) => {
        const runs = all.some(({ name }) => name === app.name);
        const serves = runs
            ? portsOfApp(app.name, all, ports).certain.length > 0
            : declaredPort(app, plan.pm2Env) !== null;
        return { runs, serves, scripts: scriptsOf(app, places.live, top) };
    };
}

;// CONCATENATED MODULE: ./host/deploy/settings-advice.js









/** Refuses settings that cannot work; `top` is where the version of these apps lies, built or not. */
async function refuseImpossible(context, apps, top) {
    const knownOf = await knownOfApps(context, apps, top);
    for (const app of apps)
        refuseLauncherInCluster(app, knownOf(app));
}
/** Warns of settings that PM2 ignores, and of those that may cost the app's users something in a deploy. */
async function adviseOnSettings(context, { config, staging }) {
    const { plan, pm2, log } = context;
    const knownOf = await knownOfApps(context, config, staging);
    const running = await pm2.list();
    const each = config.map(async (app) => {
        const version = await versionFor(app, expectedInstances(app).mode, pm2, running);
        const sharesPort = plan.handover === 'auto' && version !== null && sharesPorts(version);
        const texts = [...unknownSettings(app), ...adviseOn(app, { ...knownOf(app), sharesPort })];
        const where = lineOfApp(plan, staging, app.name);
        return texts.map((text) => ({ text, where }));
    });
    const advice = (await Promise.all(each)).flat();
    for (const { text, where } of advice)
        warn(log, text, where);
    if (plan.script !== null && advice.length > 0)
        inform(log, "Settings need an ecosystem file: run 'pm2 init simple' to make one, and leave out `script`.");
}

;// CONCATENATED MODULE: ./host/deploy/unchanged.js








/**
 * Why a deploy of `sha` has something to do, or null: the same commit, configuration and plan are live, and every
 * instance of it is healthy now. Changes nothing.
 */
async function differsFrom(context, sha, { head, current, generated }) {
    const { plan, places } = context;
    if (current === null)
        return 'no deploy was ever verified here';
    if (!exists(places.live))
        return 'the layout of path is another one';
    if (current.sha !== sha || head.sha !== sha)
        return 'another commit is live';
    const given = envFilePath(plan);
    if (given !== null && readIfThere((0,external_node_path_namespaceObject.join)(places.live, given)) !== plan.envFile?.content)
        return `${given} on the server is not what env-file says`;
    if (current.fingerprint !== (await fingerprintOf(context, sha)))
        return 'the settings of the deploy, an .env file, Node or PM2 changed';
    const lost = (generated?.roots ?? []).find((path) => !exists((0,external_node_path_namespaceObject.join)(places.live, path)));
    if (lost !== undefined)
        return `${lost} is gone, which the build made`;
    // Without an ecosystem file nothing says what the app should be, and what runs is looked at below.
    const config = plan.script === null ? await readApps(context, places.live, current.deployId) : current.config;
    if (!(0,external_node_util_namespaceObject.isDeepStrictEqual)(config, current.config))
        return 'what the ecosystem file says changed';
    return complaintAboutLive(context, current);
}
/** Whether the live version was verified with the settings that a deploy of `sha` has now. */
async function hasSameSettings(context, sha, { head, current }) {
    if (current === null || current.sha !== head.sha)
        return false;
    return current.fingerprint === (await fingerprintOf(context, sha));
}

;// CONCATENATED MODULE: ./host/deploy/deploy.js


































/**
 * Carries one deploy through its states, from `locked` on, and leaves the app's lock to its caller. What fails before
 * `activating` leaves the live app as it is. What fails later is rolled back.
 */
async function deploy(given, progress) {
    const context = given.plan.waits ? await waitForLock(given) : given;
    const { plan, runner, journal } = context;
    progress.enter('locked');
    const trouble = await watchLeftReload(context);
    await takeAppLock(context);
    try {
        const migrated = migrationLeft(context);
        if (migrated !== null)
            warn(context.log, `Deploy ${migrated} was killed. ${MAY_HAVE_RUN}`);
        let left = null;
        await runner.undisturbed(async () => {
            await endRemoval(context);
            await removeCanaries(context);
            await reconcile(context, trouble);
            left = await endReloadCommands(context);
        });
        await requireSpace(context);
        const end = await deployLocked(context, progress);
        // Nothing was reloaded, so nothing has put the host back since.
        return left !== null && end.outcome === 'unchanged' ? { ...end, outcome: 'failed', failure: left } : end;
    }
    catch (error) {
        const failed = withMigration(failureOf(error, progress.state), progress.migrated);
        const failure = withCommandLeft(context, failed);
        freeReserve(context.runDir);
        if (STATES.indexOf(progress.state) > STATES.indexOf('locked'))
            journal.end(subjectOf(plan, progress.sha), progress.state, 'failed', failure.message);
        const { sha } = await readLiveHead(context);
        return { outcome: 'failed', sha, previousSha: sha, failure };
    }
    finally {
        forgetMigration(context);
    }
}
/** Tells the runner what it has to know of this host, and waits for its `lock`, which may name the commit. */
async function waitForLock(context) {
    context.log({ type: 'ready', ...(await readinessOf(context)) });
    const { ref } = await context.runner.lock();
    return { ...context, plan: { ...context.plan, ref: ref ?? context.plan.ref } };
}
async function deployLocked(context, progress) {
    const { places, plan, runner } = context;
    progress.enter('fetched');
    if (!isCheckout(places.top))
        await beginRepository(context);
    const live = await readLive(context);
    const changes = await checkLive(context, live.generated);
    const sha = await targetCommit(context, live.head.sha);
    progress.sha = sha;
    if (plan.waits)
        context.log({ type: 'target', sha });
    const difference = (await differsFrom(context, sha, live)) ??
        (changes.length > 0 ? 'tracked files have local changes' : null);
    const newer = newerRun(context.journal.entries(), plan.run);
    if (difference === null)
        return leaveUnchanged(context, sha, newer === null);
    if (newer !== null && !plan.force)
        refuseOlderRun(newer, plan.run);
    const what = sha === plan.ref ? 'There is something to deploy' : `Deploying ${sha}`;
    inform(context.log, `${what}: ${difference}.`);
    progress.enter('staged');
    const refuse = (apps, top) => refuseImpossible(context, apps, top);
    const replaced = {
        sha: live.head.sha,
        tracked: live.head.sha === null ? new Map() : await trackedFiles(context.git, live.head.sha),
        generated: live.generated,
    };
    const staged = (await stageKept(context, sha, live, replaced, refuse)) ??
        (await stage(context, sha, { ...replaced, sameSettings: await hasSameSettings(context, sha, live) }, refuse));
    await refuseMisfit(context, staged.config, live.current);
    await adviseOnSettings(context, staged);
    const listed = await listExchange(context, staged, live.head, live.generated);
    await listed.settle();
    guardEnvFile(context, staged.staging);
    progress.enter('prepared');
    const go = await runner.go();
    // Before PM2 is looked at again: what another app's reload does to it meanwhile is not to be taken for its usual state.
    const turn = await startPm2Turn(context);
    try {
        return await proveAndGoLive(context, progress, live, staged, listed, {
            turn,
            migrates: go.migrate !== false,
        });
    }
    finally {
        turn.end();
    }
}
/** From the canary on, all with PM2's lock held. */
async function proveAndGoLive(context, progress, live, staged, listed, { turn, migrates }) {
    await checkLive(context, live.generated);
    if (migrates)
        progress.migrated = await migrate(context, staged, listed);
    const dressed = await withPreloads(context, staged);
    const boots = await prove(context, dressed, listed, live.current, () => progress.enter('canary'));
    return betweenReloadCommands(context, async (service) => {
        await waitForQuiet(context, staged.config, boots);
        return activate(context, progress, staged, live, boots, { turn, service });
    });
}
/** The canary is started as the app will be, so that it shows what the preload does to it. */
async function withPreloads({ plan, pm2 }, staged) {
    const running = await pm2.list();
    const preloads = await choosePreloads(plan, pm2, staged.config, running);
    return { ...staged, config: dressAll(staged.config, preloads, running, plan.pm2Env) };
}
async function activate(context, progress, staged, live, boots, held) {
    const { transaction, instances } = await drawUp(context, staged, live, boots, progress.migrated);
    // Last of all: what somebody changes later than this is replaced, and is in no patch.
    await checkLive(context, live.generated);
    await saveChanges(context, live.generated);
    // Anew, since a disk that was full for a moment has taken the first one.
    takeReserve(context.runDir);
    // From here on no cancel counts; one that has come already does.
    context.runner.standAlone();
    saveTransaction(context.places.state, transaction);
    const urls = [...new Set([transaction.healthUrl, transaction.before.healthUrl])];
    const probe = startProbe(urls.filter((url) => url !== null));
    try {
        const end = await goLive(context, progress, transaction, instances, boots, held);
        return { ...end, requests: probe.stop() };
    }
    finally {
        probe.stop();
    }
}
/** `noted`: in the history it then stands for this run having asked for what runs, and no older run replaces it any more. */
function leaveUnchanged({ journal, plan }, sha, noted) {
    if (noted)
        journal.end(subjectOf(plan, sha), 'fetched', 'unchanged');
    return { outcome: 'unchanged', sha, previousSha: sha, failure: null };
}

;// CONCATENATED MODULE: ./host/deploy/plan-secrets.js


/** What no event may show of the plan, whoever repeats it: git, or the app in an answer or its log. */
function secretsOfPlan({ gitToken, healthUrl, envFile, }) {
    return [
        ...(gitToken === null ? [] : formsOf(gitToken)),
        ...(envFile === null ? [] : secretsOfEnvFile(envFile.content)),
        ...(healthUrl === null ? [] : secretsOfUrl(healthUrl)),
    ];
}

;// CONCATENATED MODULE: ./host/git/settings-secrets.js

/** In any setting, its name included: `url.https://user:TOKEN@host/.insteadOf`. */
const settings_secrets_LOGIN = /\/\/([^\s/]*)@/g;
/** A shorter name alone is a person's or a system user's, which stands in paths too. Tokens are longer. */
const SHORTEST_TOKEN = 20;
const HEADER = /^http\..*extraheader$/;
/** Of a helper that is a line of shell, and of an ssh command. */
const IN_COMMANDS = /\b(?:password=|sshpass\s+-p\s*)["']?([^\s"';]+)/g;
const NAMED_SECRET = /(?:token|password|passwd|pass|secret)$/;
/** What git servers take beside a token, and tells nothing. */
const NO_SECRET = ['x-access-token', 'x-oauth-basic'];
/** The passwords and tokens in all settings that git has in its directory, in each form in which git may print them. */
async function secretsOfSettings(git) {
    const { stdout } = await git.attempt(['config', '--list', '-z', '--includes']);
    return splitZ(stdout).flatMap((entry) => {
        const end = entry.indexOf('\n');
        return end < 0
            ? secretsOfSetting(entry, '')
            : secretsOfSetting(entry.slice(0, end), entry.slice(end + 1));
    });
}
/** `name` as git lists it: section and variable in lower case. */
function secretsOfSetting(name, value) {
    const logins = [...`${name}\n${value}`.matchAll(settings_secrets_LOGIN)].flatMap(([, login = '']) => secretsOfLogin(login));
    const commands = [...value.matchAll(IN_COMMANDS)].map(([, secret = '']) => secret);
    const named = NAMED_SECRET.test(name) ? [value] : [];
    return [...logins, ...commands, ...named, ...(HEADER.test(name) ? secretsOfHeader(value) : [])];
}
/** The password; a token may stand in place of the name. */
function secretsOfLogin(login) {
    const colon = login.indexOf(':');
    const [name, password] = colon < 0 ? [login, ''] : [login.slice(0, colon), login.slice(colon + 1)];
    const secrets = [...(name.length >= SHORTEST_TOKEN ? [name] : []), password];
    return secrets
        .filter((secret) => secret !== '' && !NO_SECRET.includes(secret))
        .flatMap((secret) => [...new Set([secret, decoded(secret)])]);
}
/** `Authorization: Basic …`: what is sent, and the login in it. */
function secretsOfHeader(header) {
    const credentials = header
        .slice(header.indexOf(':') + 1)
        .trim()
        .split(/\s+/)
        .at(-1) ?? '';
    const login = Buffer.from(credentials, 'base64').toString('utf8');
    return [credentials, ...(/^[ -~]*:[ -~]*$/.test(login) ? secretsOfLogin(login) : [])];
}
function decoded(text) {
    try {
        return decodeURIComponent(text);
    }
    catch {
        return text;
    }
}

;// CONCATENATED MODULE: ./host/pm2/amp.js
var amp_classPrivateFieldSet = (undefined && undefined.__classPrivateFieldSet) || function (receiver, state, value, kind, f) {
    if (kind === "m") throw new TypeError("Private method is not writable");
    if (kind === "a" && !f) throw new TypeError("Private accessor was defined without a setter");
    if (typeof state === "function" ? receiver !== state || !f : !state.has(receiver)) throw new TypeError("Cannot write private member to an object whose class did not declare it");
    return (kind === "a" ? f.call(receiver, value) : f ? f.value = value : state.set(receiver, value)), value;
};
var amp_classPrivateFieldGet = (undefined && undefined.__classPrivateFieldGet) || function (receiver, state, kind, f) {
    if (kind === "a" && !f) throw new TypeError("Private accessor was defined without a getter");
    if (typeof state === "function" ? receiver !== state || !f : !state.has(receiver)) throw new TypeError("Cannot read private member from an object whose class did not declare it");
    return kind === "m" ? f : kind === "a" ? f.call(receiver) : f ? f.value : state.get(receiver);
};
var _MessageReader_onMessage, _MessageReader_chunks, _MessageReader_have, _MessageReader_needed;
/**
 * The framing that PM2's daemon speaks on its sockets (AMP, version 1): a byte of version and argument count, then
 * each argument behind its length in four bytes. An argument is text behind `s:`, JSON behind `j:`, or raw bytes.
 */
const VERSION = 1;
/** One message as it goes on the wire. Strings travel as text, everything else as JSON; at most 15 arguments. */
function encodeMessage(args) {
    const parts = [Buffer.from([(VERSION << 4) | args.length])];
    for (const arg of args) {
        const body = Buffer.from(typeof arg === 'string' ? `s:${arg}` : `j:${JSON.stringify(arg ?? null)}`);
        const length = Buffer.alloc(4);
        length.writeUInt32BE(body.length);
        parts.push(length, body);
    }
    return Buffer.concat(parts);
}
/** Gathers bytes and calls back with the arguments of each message that is complete. Throws on JSON that is none. */
class MessageReader {
    constructor(onMessage) {
        _MessageReader_onMessage.set(this, void 0);
        _MessageReader_chunks.set(this, []);
        _MessageReader_have.set(this, 0);
        /** Bytes below which another look is useless: a list of processes comes in many chunks. */
        _MessageReader_needed.set(this, 1);
        amp_classPrivateFieldSet(this, _MessageReader_onMessage, onMessage, "f");
    }
    write(chunk) {
        amp_classPrivateFieldGet(this, _MessageReader_chunks, "f").push(chunk);
        amp_classPrivateFieldSet(this, _MessageReader_have, amp_classPrivateFieldGet(this, _MessageReader_have, "f") + chunk.length, "f");
        while (amp_classPrivateFieldGet(this, _MessageReader_have, "f") >= amp_classPrivateFieldGet(this, _MessageReader_needed, "f")) {
            const bytes = Buffer.concat(amp_classPrivateFieldGet(this, _MessageReader_chunks, "f"), amp_classPrivateFieldGet(this, _MessageReader_have, "f"));
            const found = split(bytes);
            const rest = 'args' in found ? bytes.subarray(found.length) : bytes;
            amp_classPrivateFieldSet(this, _MessageReader_chunks, [rest], "f");
            amp_classPrivateFieldSet(this, _MessageReader_have, rest.length, "f");
            amp_classPrivateFieldSet(this, _MessageReader_needed, 'args' in found ? 1 : found.needed, "f");
            if ('args' in found)
                amp_classPrivateFieldGet(this, _MessageReader_onMessage, "f").call(this, found.args.map(unpack));
        }
    }
}
_MessageReader_onMessage = new WeakMap(), _MessageReader_chunks = new WeakMap(), _MessageReader_have = new WeakMap(), _MessageReader_needed = new WeakMap();
/** The first message in `bytes` and its length, or how many bytes it takes at least to say more. */
function split(bytes) {
    const count = (bytes[0] ?? 0) & 0xf;
    const args = [];
    let at = 1;
    for (let i = 0; i < count; i++) {
        if (bytes.length < at + 4)
            return { needed: at + 4 };
        const end = at + 4 + bytes.readUInt32BE(at);
        if (bytes.length < end)
            return { needed: end };
        args.push(bytes.subarray(at + 4, end));
        at = end;
    }
    return { args, length: at };
}
function unpack(arg) {
    const kind = arg.toString('latin1', 0, 2);
    if (kind === 's:')
        return arg.toString('utf8', 2);
    if (kind === 'j:')
        return JSON.parse(arg.toString('utf8', 2));
    return arg;
}

;// CONCATENATED MODULE: ./host/pm2/bus.js





const bus_MOST_LINES = 200;
/** Processes that are remembered of one instance: a crash loop goes on for long. */
const MOST_LIVES = 20;
/** A daemon may only be about to start. */
const bus_RETRY_EVERY = 50;
const STARTING = /^App \[(.*):(\d+)\] starting in -/;
/** Listens to the apps of these names until it is closed. Never fails: without a daemon there is nothing to hear. */
function hearLives(pm2Home, names) {
    const lives = [];
    const close = hearBus(pm2Home, (topic, packet) => note(lives, names, topic, packet));
    return { lives: () => lives, close };
}
function note(lives, names, topic, packet) {
    const { data } = packet;
    const at = performance.now();
    if (topic === 'log:PM2' && typeof data === 'string') {
        const [, name = '', pmId = ''] = STARTING.exec(data) ?? [];
        if (names.includes(name))
            begin(lives, name, pmId, at, true);
        return;
    }
    const name = String(packet.process?.name);
    if (!names.includes(name))
        return;
    const pmId = String(packet.process?.pm_id);
    const life = [...lives].reverse().find((one) => one.pmId === pmId && one.name === name) ??
        begin(lives, name, pmId, at, false);
    if (topic === 'log:err' && typeof data === 'string') {
        add(life, data, at);
    }
    else if (topic === 'process:exception') {
        life.thrown ??= bus_firstLine(data?.message);
    }
    else if (topic === 'process:event') {
        const deployId = packet.process?.[DEPLOY_ID];
        if (typeof deployId === 'string')
            life.deployId ??= deployId;
        if (packet.event === 'exit')
            life.ended ??= at;
    }
}
function begin(lives, name, pmId, at, isNew) {
    const life = {
        name,
        pmId,
        deployId: null,
        isNew,
        began: at,
        ended: null,
        lines: [],
        cut: '',
        thrown: null,
    };
    lives.push(life);
    const same = lives.filter((one) => one.pmId === pmId);
    if (same.length > MOST_LIVES)
        lives.splice(lives.indexOf(same[0]), 1);
    return life;
}
function add(life, data, at) {
    const { lines } = life;
    if (life.cut.trim() !== '')
        lines.pop();
    const whole = life.cut + data;
    lines.push(...linesOf(whole).map((text) => ({ at, text })));
    lines.splice(0, lines.length - bus_MOST_LINES);
    const [rest = ''] = /[^\r\n]*$/.exec(whole) ?? [];
    life.cut = rest.length < LONGEST_LINE ? rest : '';
}
function linesOf(data) {
    const lines = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    splitter.write(Buffer.from(data));
    splitter.end();
    return lines.filter((line) => line.trim() !== '');
}
function bus_firstLine(message) {
    return (typeof message === 'string' && linesOf(message)[0]) || 'an error without a message';
}
/**
 * Gives all that the daemon announces from now on to `take`, through restarts of the daemon, until the function that it
 * returns is called. Never fails.
 */
function hearBus(pm2Home, take) {
    let socket = null;
    let retry = null;
    let closed = false;
    const dial = () => {
        const reader = new MessageReader(([topic, packet]) => take(topic, (packet ?? {})));
        socket = (0,external_node_net_namespaceObject.connect)((0,external_node_path_namespaceObject.join)(pm2Home, 'pub.sock'));
        socket.on('data', (chunk) => {
            try {
                reader.write(chunk);
            }
            catch {
                socket?.destroy();
            }
        });
        socket.on('error', () => { });
        socket.on('close', () => {
            if (!closed)
                retry = setTimeout(dial, bus_RETRY_EVERY);
        });
    };
    dial();
    return () => {
        closed = true;
        if (retry !== null)
            clearTimeout(retry);
        socket?.destroy();
    };
}

;// CONCATENATED MODULE: ./host/pm2/daemon.js




/**
 * The pid of the daemon that serves `pm2Home`, or null where none does. `pm2.pid` is only a hint, since it outlives
 * a daemon that was killed: the process must hold the listening socket.
 */
function daemonPid(pm2Home) {
    const inodes = listeningInodes((0,external_node_path_namespaceObject.join)(pm2Home, 'rpc.sock'));
    if (inodes.size === 0)
        return null;
    const noted = Number(readText((0,external_node_path_namespaceObject.join)(pm2Home, 'pm2.pid')));
    if (Number.isInteger(noted) && noted > 0 && daemon_holds(noted, inodes))
        return noted;
    return allPids().find((pid) => daemon_holds(pid, inodes)) ?? null;
}
async function daemonStart(rpc, timeLimit) {
    // The report carries the daemon's environment as well: nothing else is taken from it.
    const report = (await rpc.call('getReport', [{}], timeLimit));
    const script = Array.isArray(report?.argv) ? report.argv[1] : null;
    const [, node] = /^v?(\d.*)$/.exec(String(report?.node_version)) ?? [];
    return {
        script: typeof script === 'string' ? script : null,
        node: node === undefined ? null : `v${node}`,
    };
}
/** Inodes of the sockets that listen at `path`, under whatever name they were bound. */
function listeningInodes(path) {
    const inodes = new Set();
    const wanted = realOrSame(path);
    for (const line of readText('/proc/net/unix').split('\n')) {
        // Num RefCount Protocol Flags Type St Inode Path; the flag says that it accepts connections.
        const match = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+) (.+)$/.exec(line);
        if (!match?.[1] || !match[2] || !match[3]?.endsWith('/rpc.sock'))
            continue;
        if ((Number.parseInt(match[1], 16) & 0x10000) !== 0 && realOrSame(match[3]) === wanted)
            inodes.add(match[2]);
    }
    return inodes;
}
function daemon_holds(pid, inodes) {
    try {
        return (0,external_node_fs_namespaceObject.readdirSync)(`/proc/${pid}/fd`).some((fd) => {
            const inode = /^socket:\[(\d+)\]$/.exec(daemon_linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
            return inode !== undefined && inodes.has(inode);
        });
    }
    catch {
        return false;
    }
}
function daemon_linkOf(path) {
    try {
        return (0,external_node_fs_namespaceObject.readlinkSync)(path);
    }
    catch {
        return '';
    }
}
function readText(path) {
    try {
        return (0,external_node_fs_namespaceObject.readFileSync)(path, 'utf8');
    }
    catch {
        return '';
    }
}

;// CONCATENATED MODULE: ./host/pm2/dump.js




/**
 * Writes what the apps of these names are now into the dump that PM2 resurrects from at boot, and leaves every other
 * app in it as it is: a name that PM2 runs no more leaves the dump. Atomic, and readable by its owner only, for it
 * holds the apps' environments. To be called when all of them are healthy, since a dump keeps their state.
 */
async function saveApps(rpc, pm2Home, names, timeLimit) {
    const live = dump_entriesOf(await rpc.call('getMonitorData', [{}], timeLimit)).filter((entry) => names.includes(String(entry.name)) && entry.pmx_module !== true);
    const path = realPathOf((0,external_node_path_namespaceObject.join)(pm2Home, 'dump.pm2'));
    const dump = readDump(path);
    const others = dump.filter((entry) => !names.includes(String(entry?.name)));
    const first = dump.findIndex((entry) => names.includes(String(entry?.name)));
    // PM2 starts them in this order: ours keep the place that they had.
    const before = first < 0 ? others.length : first;
    const entries = [...others.slice(0, before), ...live, ...others.slice(before)];
    writeDurably(path, JSON.stringify(entries, null, 2));
}
/** What `pm2 save` keeps of each process: all of `pm2_env` but what the next start gives anew. */
function dump_entriesOf(list) {
    const processes = Array.isArray(list) ? list : [];
    return processes.flatMap((one) => {
        if (!one?.pm2_env)
            return [];
        const { instances: _instances, pm_id: _id, prev_restart_delay: _delay, ...kept } = one.pm2_env;
        return [kept];
    });
}
function readDump(path) {
    let text;
    try {
        text = (0,external_node_fs_namespaceObject.readFileSync)(path, 'utf8');
    }
    catch (error) {
        if (error.code === 'ENOENT')
            return [];
        throw unreadable(path, error);
    }
    try {
        const dump = JSON.parse(text);
        if (Array.isArray(dump))
            return dump;
    }
    catch {
        // An error of JSON.parse quotes the text, which is secret.
    }
    throw unreadable(path);
}
function unreadable(path, cause) {
    return new DeployFailure(`PM2's dump ${path} cannot be read, so these apps are not saved for the next boot.`, { remedy: 'Run `pm2 save` there once, as the user that runs PM2.', cause });
}
function realPathOf(path) {
    try {
        return (0,external_node_fs_namespaceObject.realpathSync)(path);
    }
    catch {
        return path;
    }
}

;// CONCATENATED MODULE: ./host/pm2/find.js




/** No PM2 is where one may be. */
class Pm2Missing extends DeployFailure {
}
/** How long a login shell may take to say where PM2 is, in milliseconds. */
const SHELL_WITHIN = 10_000;
/** Where a version manager or a package manager keeps global packages; `*` is any name, newest first. `~` is the home. */
const GLOBAL_PACKAGES = [
    '~/.nvm/versions/node/*/lib/node_modules',
    '~/.config/nvm/versions/node/*/lib/node_modules',
    '~/.local/share/fnm/node-versions/*/installation/lib/node_modules',
    '~/.fnm/node-versions/*/installation/lib/node_modules',
    '~/.volta/tools/image/packages/pm2/lib/node_modules',
    '~/.asdf/installs/nodejs/*/lib/node_modules',
    '~/.asdf/installs/nodejs/*/.npm/lib/node_modules',
    '~/.local/share/mise/installs/node/*/lib/node_modules',
    '~/.local/share/mise/installs/npm-pm2/*/lib/node_modules',
    '~/.nodenv/versions/*/lib/node_modules',
    '~/n/lib/node_modules',
    '~/.npm-global/lib/node_modules',
    '~/.npm-packages/lib/node_modules',
    '~/.local/lib/node_modules',
    '~/.local/share/pnpm/global/*/node_modules',
    // Scripts of pnpm's, the latter since version 11.
    '~/.local/share/pnpm',
    '~/.local/share/pnpm/bin',
    '~/.config/yarn/global/node_modules',
    '~/.bun/install/global/node_modules',
    '/usr/local/lib/node_modules',
    '/usr/lib/node_modules',
    '/opt/homebrew/lib/node_modules',
    '/home/linuxbrew/.linuxbrew/lib/node_modules',
    '/snap/node/current/lib/node_modules',
];
/** Where the same lies when a variable of the tool's own says where. */
const MOVED = [
    ['NVM_DIR', 'versions/node/*/lib/node_modules'],
    ['FNM_DIR', 'node-versions/*/installation/lib/node_modules'],
    ['VOLTA_HOME', 'tools/image/packages/pm2/lib/node_modules'],
    ['ASDF_DATA_DIR', 'installs/nodejs/*/lib/node_modules'],
    ['MISE_DATA_DIR', 'installs/node/*/lib/node_modules'],
    ['MISE_DATA_DIR', 'installs/npm-pm2/*/lib/node_modules'],
    ['NODENV_ROOT', 'versions/*/lib/node_modules'],
    ['N_PREFIX', 'lib/node_modules'],
    ['PNPM_HOME', ''],
    ['PNPM_HOME', 'bin'],
    ['PNPM_HOME', 'global/*/node_modules'],
];
/**
 * Finds PM2 and its version without running it. The daemon's own installation comes before what PATH has: a CLI of
 * another version than the daemon's is what PM2 warns of. Throws a `Pm2Missing` that lists what was tried.
 */
function findPm2(surroundings) {
    const tried = [];
    for (const candidate of candidates(surroundings)) {
        const install = installAt(candidate);
        if (install)
            return install;
        tried.push(candidate);
    }
    const [other] = tried.filter((path) => (0,external_node_fs_namespaceObject.existsSync)(path));
    const why = other === undefined ? '' : ` ${other} is there, but leads to no installation of PM2.`;
    throw new Pm2Missing(`PM2 was not found on this host.${why}`, {
        remedy: 'Install it for the user that deploys (npm install -g pm2), or set `pm2-version` to have the deploy install it. If it is in an unusual place, set PM2_BIN in `shell-init`.',
        output: [
            `PATH is ${surroundings.env.PATH ?? 'empty'}. Looked at:`,
            ...[...new Set(tried)].slice(0, 8),
            'where version managers keep global packages, and on the PATH of a login shell.',
        ],
    });
}
function* candidates({ env, execPath, home, workDir, daemon }) {
    if (env.PM2_BIN)
        yield env.PM2_BIN;
    if (daemon !== null)
        yield daemon;
    yield (0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(execPath), 'pm2');
    for (const dir of (env.PATH ?? '').split(external_node_path_namespaceObject.delimiter))
        if (dir !== '')
            yield (0,external_node_path_namespaceObject.join)(dir, 'pm2');
    yield (0,external_node_path_namespaceObject.join)(workDir, 'node_modules/.bin/pm2');
    for (const prefix of npmPrefixes(env, home))
        yield (0,external_node_path_namespaceObject.join)(prefix, 'lib/node_modules/pm2');
    for (const [name, pattern] of MOVED) {
        const place = env[name];
        if (place)
            yield* expand((0,external_node_path_namespaceObject.join)(place, pattern, 'pm2'));
    }
    for (const pattern of GLOBAL_PACKAGES)
        yield* expand((0,external_node_path_namespaceObject.join)(pattern.replace(/^~/, () => home), 'pm2'));
    yield* fromLoginShell(env.SHELL);
}
/** What an interactive login shell knows that no other session does, between marks: start-up files print. */
function fromLoginShell(shell) {
    if (!shell)
        return [];
    const ask = 'echo; echo @@; command -v pm2 || which pm2; echo @@';
    const { stdout } = (0,external_node_child_process_namespaceObject.spawnSync)(shell, ['-lic', ask], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: SHELL_WITHIN,
        killSignal: 'SIGKILL',
    });
    const [, answer = ''] = (stdout ?? '').split(/^@@$/m);
    return answer.split('\n').filter((line) => line.startsWith('/'));
}
/** The installation that a path belongs to: PM2's directory, a file in it, a link to one, or a small script that calls one. */
function installAt(path) {
    try {
        const real = (0,external_node_fs_namespaceObject.realpathSync)(path);
        const install = packageAround(real);
        if (install)
            return install;
        const called = calledBy(real);
        return called === null ? null : packageAround((0,external_node_fs_namespaceObject.realpathSync)(called));
    }
    catch {
        return null;
    }
}
function packageAround(path) {
    for (let root = path; root !== (0,external_node_path_namespaceObject.dirname)(root); root = (0,external_node_path_namespaceObject.dirname)(root)) {
        const manifest = (0,external_node_path_namespaceObject.join)(root, 'package.json');
        if (!(0,external_node_fs_namespaceObject.existsSync)(manifest))
            continue;
        const { name, version } = JSON.parse((0,external_node_fs_namespaceObject.readFileSync)(manifest, 'utf8'));
        const bin = (0,external_node_path_namespaceObject.join)(root, 'bin/pm2');
        return name === 'pm2' && version !== undefined && (0,external_node_fs_namespaceObject.existsSync)(bin) ? { bin, root, version } : null;
    }
    return null;
}
/** pnpm and others put a shell script on PATH, which names the real one relative to itself. */
function calledBy(script) {
    const stat = (0,external_node_fs_namespaceObject.statSync)(script);
    if (!stat.isFile() || stat.size > 64 * 1024)
        return null;
    const match = /["'\s]([^"'\s]*node_modules\/pm2\/bin\/pm2)\b/.exec((0,external_node_fs_namespaceObject.readFileSync)(script, 'utf8'));
    const called = match?.[1]?.replace(/^\$\{?\w+\}?/, () => (0,external_node_path_namespaceObject.dirname)(script));
    return called === undefined ? null : (0,external_node_path_namespaceObject.resolve)((0,external_node_path_namespaceObject.dirname)(script), called);
}
function npmPrefixes(env, home) {
    let config = '';
    try {
        config = (0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(home, '.npmrc'), 'utf8');
    }
    catch {
        // Few have one.
    }
    const written = /^\s*prefix\s*=\s*["']?(.+?)["']?\s*$/m.exec(config)?.[1];
    return [env.npm_config_prefix, env.NPM_CONFIG_PREFIX, written]
        .filter((prefix) => prefix !== undefined && prefix !== '')
        .map((prefix) => prefix.replace(/^~(?=\/)|\$\{HOME\}/, () => home));
}
/** The paths that a pattern stands for, the newest version first. A pattern that nothing matches stands for itself. */
function expand(pattern) {
    const [before, after] = pattern.split('/*/', 2);
    if (before === undefined || after === undefined)
        return [pattern];
    try {
        const newestFirst = (a, b) => b.localeCompare(a, 'en', { numeric: true });
        return (0,external_node_fs_namespaceObject.readdirSync)(before)
            .sort(newestFirst)
            .map((name) => (0,external_node_path_namespaceObject.join)(before, name, after));
    }
    catch {
        return [pattern];
    }
}

;// CONCATENATED MODULE: ./host/pm2/pace.js

const pace_STARTING = /^App \[(.*):(\d+)\] starting in -cluster mode-/;
const STOPPING = /^Stopping app:(.*) id:_old_(\d+)\s*$/;
const KILLING = /^Process with pid (\d+) still alive after \d+ms/;
/** Listens until it is closed. */
function hearPace(pm2Home) {
    const started = new Map();
    const waits = [];
    const killed = [];
    const close = hearBus(pm2Home, (topic, { data }) => {
        if (topic !== 'log:PM2' || typeof data !== 'string')
            return;
        const now = performance.now();
        const [, name = '', id = ''] = pace_STARTING.exec(data) ?? STOPPING.exec(data) ?? [];
        if (pace_STARTING.test(data))
            started.set(id, now);
        else if (STOPPING.test(data)) {
            const since = started.get(id);
            if (since !== undefined)
                waits.push({ name, ms: now - since });
        }
        const pid = KILLING.exec(data)?.[1];
        if (pid !== undefined)
            killed.push(Number(pid));
    });
    return {
        waits: (name) => waits.filter((one) => one.name === name).map(({ ms }) => ms),
        killed: () => [...killed],
        close,
    };
}

;// CONCATENATED MODULE: ./host/pm2/remove.js


/** Milliseconds. */
const remove_MARGIN = 10_000;
const POLL = 20;
/**
 * Stops these instances and takes them from PM2's list, all at once. By id and over the daemon's socket, since PM2's CLI
 * reads a name as a namespace, a pattern or an id where no app has it. One that is gone already is no error.
 * Resolves when what they started has ended too: a child of npm may hold the port longer than npm lives.
 */
async function removeInstances(rpc, instances) {
    const present = new Map(idsOf(await rpc.call('getMonitorData', [{}], remove_MARGIN)));
    await Promise.all(instances
        // PM2 gives ids anew once its list is empty.
        .filter(({ pmId, name }) => present.get(pmId) === name)
        .map(async (one) => {
        const started = remove_startedBy(one);
        // After SIGINT PM2 waits for this, sends SIGKILL, and waits again.
        await rpc.call('deleteProcessId', [one.pmId], 2 * killTimeoutOf(one) + remove_MARGIN);
        await endOf(started, killTimeoutOf(one));
    }));
}
/** The processes to which PM2 sends its SIGINT beside the instance's own. With `treekill: false` it sends none. */
function remove_startedBy({ pid, settings }) {
    if (settings.treekill === false || pid <= 0)
        return [];
    return descendantsOf(pid).flatMap((child) => {
        const ticks = startTicks(child);
        return ticks === null ? [] : [{ pid: child, ticks }];
    });
}
/** Waits until these have ended, and after `patience` milliseconds ends them, as PM2 does with the instance itself. */
async function endOf(processes, patience) {
    const alive = () => processes.filter(({ pid, ticks }) => isAlive(pid) && startTicks(pid) === ticks);
    const deadline = performance.now() + patience;
    while (alive().length > 0 && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, POLL));
    }
    for (const { pid } of alive()) {
        try {
            process.kill(pid, 'SIGKILL');
        }
        catch {
            // It has just ended, or belongs to another user.
        }
    }
}
function idsOf(list) {
    const entries = Array.isArray(list) ? list : [];
    return entries.map(({ pm_id, name }) => [Number(pm_id), String(name)]);
}

;// CONCATENATED MODULE: ./host/pm2/rpc.js




/**
 * Connects to the daemon of `pm2Home` (an absolute path) and asks its version. `timeLimit` is in milliseconds.
 * Null where no daemon runs. Throws a `DeployFailure` where one runs that does not answer or that is not ours to use.
 */
async function openRpc(pm2Home, timeLimit) {
    const socket = await dial((0,external_node_path_namespaceObject.join)(pm2Home, 'rpc.sock'), pm2Home, timeLimit);
    if (!socket)
        return null;
    const rpc = converse(socket, pm2Home);
    try {
        const version = await rpc.call('getVersion', [{}], timeLimit);
        return { ...rpc, version: String(version) };
    }
    catch (error) {
        rpc.close();
        throw error;
    }
}
function dial(path, pm2Home, timeLimit) {
    return new Promise((resolve, reject) => {
        const socket = (0,external_node_net_namespaceObject.connect)(path);
        const timer = setTimeout(() => {
            socket.destroy();
            reject(rpc_silent(pm2Home, timeLimit));
        }, timeLimit);
        socket.once('connect', () => {
            clearTimeout(timer);
            socket.removeAllListeners('error');
            resolve(socket);
        });
        socket.once('error', (error) => {
            clearTimeout(timer);
            if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ENOTDIR')
                resolve(null);
            // The queue of connections is full, since nobody has taken one for long.
            else if (error.code === 'EAGAIN')
                reject(rpc_silent(pm2Home, timeLimit));
            else {
                reject(new DeployFailure(`The PM2 daemon of ${pm2Home} cannot be reached: ${error.code ?? error.message}.`, error.code === 'EACCES'
                    ? { remedy: 'Deploy as the user that runs PM2 on this host.', cause: error }
                    : { cause: error }));
            }
        });
    });
}
function converse(socket, pm2Home) {
    const waiting = new Map();
    let next = 0;
    let ended = null;
    const end = (failure) => {
        ended ??= failure;
        for (const { reject, timer } of waiting.values()) {
            clearTimeout(timer);
            reject(ended);
        }
        waiting.clear();
        socket.destroy();
    };
    const reader = new MessageReader((message) => {
        const id = message[message.length - 1];
        const call = typeof id === 'string' ? waiting.get(id) : undefined;
        // An answer that comes after its time limit has nobody left to hear it.
        if (typeof id !== 'string' || !call)
            return;
        waiting.delete(id);
        clearTimeout(call.timer);
        const answer = message[0];
        if (answer && typeof answer === 'object' && 'error' in answer) {
            call.reject(new DeployFailure(`The PM2 daemon of ${pm2Home} refused: ${rpc_describe(answer.error)}`));
        }
        else
            call.resolve(answer?.args?.[0]);
    });
    socket.on('data', (chunk) => {
        try {
            reader.write(chunk);
        }
        catch (error) {
            end(new DeployFailure(`The PM2 daemon of ${pm2Home} sent something that cannot be understood.`, {
                cause: error,
            }));
        }
    });
    socket.on('error', () => { });
    socket.on('close', () => end(new DeployFailure(`The PM2 daemon of ${pm2Home} is gone: it was killed, or somebody restarted it.`, {
        remedy: 'Look at pm2.log there. Make sure that PM2 runs your apps (pm2 resurrect). Then deploy again.',
    })));
    return {
        call(method, args, timeLimit) {
            if (ended)
                return Promise.reject(ended);
            return new Promise((resolve, reject) => {
                const id = `pm2-ssh-deploy:${next++}`;
                const timer = setTimeout(() => {
                    waiting.delete(id);
                    reject(rpc_silent(pm2Home, timeLimit));
                }, timeLimit);
                waiting.set(id, { resolve, reject, timer });
                socket.write(encodeMessage([{ type: 'call', method, args }, id]));
            });
        },
        close() {
            end(new DeployFailure(`The connection to the PM2 daemon of ${pm2Home} is closed.`));
        },
    };
}
function rpc_silent(pm2Home, timeLimit) {
    return new DeployFailure(`The PM2 daemon of ${pm2Home} runs, but has not answered for ${timeLimit / 1000} s.`, {
        remedy: 'It hangs, or is stopped (kill -CONT), or the host is overloaded. Look at it with `pm2 ls` there.',
    });
}
/** PM2 sends an error as text, or as an object that may carry an app's whole environment: of that, the message only. */
function rpc_describe(error) {
    if (typeof error === 'string')
        return error;
    const message = error?.message ?? error?.msg;
    return typeof message === 'string' ? message : 'no reason given';
}

;// CONCATENATED MODULE: ./host/pm2/twin.js



/** What PM2 gives a process when it starts it; a number of instances would have it make several, and number them anew. */
const NOT_COPIED = [
    ...['pm_id', 'instances', 'status', 'pm_uptime', 'created_at', 'unique_id', 'exit_code'],
    ...['axm_actions', 'axm_monitor', 'axm_options', 'axm_dynamic', 'vizion_running', 'versioning', 'version'],
    ...['node_version', 'prev_restart_delay', 'monit', '_tree_pids'],
];
/**
 * Has PM2 list an entry with all that it knows of this one: settings, variables, number, log files, restarts and the one
 * more that its start will be. It is stopped, and carries `deployId`. Gives its id.
 */
async function prepareTwin(rpc, { pmId, name }, deployId, timeLimit) {
    const list = (await rpc.call('getMonitorData', [{}], timeLimit));
    const found = list.find(({ pm2_env }) => pm2_env?.pm_id === pmId)?.pm2_env;
    if (found === undefined || found.name !== name)
        throw new DeployFailure(`PM2 no longer lists '${name}' (pm2 id ${pmId}).`);
    const copy = { ...found };
    for (const field of NOT_COPIED)
        delete copy[field];
    const { unique_id: _id, ...env } = found.env;
    const answer = await rpc.call('prepare', [
        {
            ...copy,
            env: { ...env, [DEPLOY_ID]: deployId },
            [DEPLOY_ID]: deployId,
            status: 'stopped',
            restart_time: Number(found.restart_time ?? 0) + 1,
            unstable_restarts: 0,
            // PM2 puts one into `env` alone, which a reload replaces.
            unique_id: (0,external_node_crypto_namespaceObject.randomUUID)(),
        },
    ], timeLimit);
    const id = answer?.[0]?.pm2_env?.pm_id;
    if (typeof id !== 'number')
        throw new DeployFailure(`PM2 did not add an entry beside '${name}' (pm2 id ${pmId}).`);
    return id;
}

;// CONCATENATED MODULE: ./host/pm2/session.js














/** Milliseconds that the daemon has for an answer. */
const session_ANSWERS_WITHIN = 10_000;
/** PM2_HOME in this environment, or where PM2 has it otherwise. */
function pm2HomeOf(env, home) {
    return env.PM2_HOME && (0,external_node_path_namespaceObject.isAbsolute)(env.PM2_HOME) ? env.PM2_HOME : (0,external_node_path_namespaceObject.join)(home, '.pm2');
}
/** Finds PM2 and its daemon, and starts nothing. */
async function openPm2({ env, home, workDir, configDir, locks, provide }) {
    const pm2Home = pm2HomeOf(env, home);
    requireTrustworthy(pm2Home, 'PM2_HOME');
    let rpc = await openRpc(pm2Home, session_ANSWERS_WITHIN);
    const daemon = rpc === null ? null : await daemonStart(rpc, session_ANSWERS_WITHIN);
    const surroundings = { env, execPath: process.execPath, home, workDir, daemon: daemon?.script ?? null };
    const install = await provide(() => findPm2(surroundings));
    const daemonNode = daemon?.node ?? null;
    // A daemon that PM2's own command started is there from then on.
    const connection = async () => {
        rpc ??= await openRpc(pm2Home, session_ANSWERS_WITHIN);
        return rpc;
    };
    return {
        install,
        home: pm2Home,
        env,
        otherDaemon: rpc !== null && rpc.version !== install.version ? rpc.version : null,
        otherNode: daemonNode !== process.version ? daemonNode : null,
        async list() {
            const open = await connection();
            if (open === null)
                return [];
            try {
                return await listInstances(open, session_ANSWERS_WITHIN);
            }
            catch (error) {
                // A connection that failed stays so; the daemon may be another one by the next call.
                open.close();
                rpc = null;
                throw error;
            }
        },
        daemonPid: () => daemonPid(pm2Home),
        startOrReload(what, running, onLine) {
            return startOrReload({
                pm2: install,
                node: process.execPath,
                ...what,
                running,
                pm2Home,
                env,
                dir: configDir,
                cwd: home,
                onLine,
                holds: descriptorsOf(locks),
            });
        },
        hearLives: (names) => hearLives(pm2Home, names),
        hearPace: () => hearPace(pm2Home),
        async remove(instances) {
            const open = await connection();
            if (open !== null)
                await removeInstances(open, instances);
        },
        async duplicate({ pmId }, timeLimit) {
            const open = await connection();
            if (open === null)
                throw new DeployFailure("PM2's daemon is gone, so no instance can be added.");
            await open.call('duplicateProcessId', [pmId], timeLimit);
        },
        async prepareTwin(instance, deployId) {
            const open = await connection();
            if (open === null)
                throw new DeployFailure("PM2's daemon is gone, so no instance can be added.");
            return prepareTwin(open, instance, deployId, session_ANSWERS_WITHIN);
        },
        async unwatch({ pmId }) {
            const open = await connection();
            if (open !== null)
                await open.call('stopWatch', ['stopProcessId', pmId], session_ANSWERS_WITHIN);
        },
        async save(names) {
            const open = await connection();
            if (open !== null)
                await saveApps(open, pm2Home, names, session_ANSWERS_WITHIN);
        },
    };
}

;// CONCATENATED MODULE: ./host/system/environment.js


/** What an SSH session, and this deploy itself, put in the environment. */
const SESSION = /^(SSH_|XDG_SESSION_|PM2_SSH_DEPLOY)|^XDG_(SEAT|VTNR)$|^MOTD_SHOWN$/;
/**
 * What makes git work in another repository than the one of its directory, with other settings than the user's files have,
 * or read paths in another way. A hook of git that runs the session's shell has them, and so has a stray `export`.
 */
const OF_ANOTHER_REPOSITORY = /^GIT_(DIR|WORK_TREE|IMPLICIT_WORK_TREE|COMMON_DIR|INDEX_FILE|INDEX_VERSION|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|QUARANTINE_PATH|SHALLOW_FILE|GRAFT_FILE|REPLACE_REF_BASE|NO_REPLACE_OBJECTS|NAMESPACE|PREFIX|INTERNAL_SUPER_PREFIX|CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM|DEFAULT_HASH|DEFAULT_REF_FORMAT|TEMPLATE_DIR|ATTR_SOURCE|CONFIG\w*|\w+_PATHSPECS)$/;
/** What may reach PM2, and through it the apps: who and where the user is, and where the user's tools are. */
const FOR_PM2 = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|PM2_HOME|NVM_DIR|XDG_(CONFIG|CACHE|DATA|STATE)_HOME|XDG_(CONFIG|DATA)_DIRS)$/;
/**
 * The environment with a PATH whose `node` is `execPath`: what a version manager puts there may be another one in another
 * directory, and all of a deploy is to run under one.
 */
function withNode(env, execPath) {
    const search = (env.PATH ?? '').split(external_node_path_namespaceObject.delimiter).filter((directory) => directory !== '');
    const own = real((0,external_node_path_namespaceObject.join)((0,external_node_path_namespaceObject.dirname)(execPath), 'node'));
    const first = search.map((directory) => real((0,external_node_path_namespaceObject.join)(directory, 'node'))).find((file) => file !== null);
    // An executable of another name, such as nodejs, has none beside it to lead to.
    if (own !== real(execPath) || first === own)
        return env;
    return { ...env, PATH: [(0,external_node_path_namespaceObject.dirname)(execPath), ...search].join(external_node_path_namespaceObject.delimiter) };
}
function real(path) {
    try {
        return (0,external_node_fs_namespaceObject.realpathSync)(path);
    }
    catch {
        return null;
    }
}
/**
 * The environment for git, install and build: the session's, without what tells of the session, of this deploy, or of
 * another repository.
 */
function sessionless(env) {
    return environment_keep(env, (name) => !SESSION.test(name) && !OF_ANOTHER_REPOSITORY.test(name));
}
/** The environment for PM2. A daemon that it starts, and apps that it starts for the first time, keep it for good. */
function pm2Environment(env) {
    return environment_keep(env, (name) => FOR_PM2.test(name));
}
function environment_keep(env, wanted) {
    return Object.fromEntries(Object.entries(env).filter(([name, value]) => value !== undefined && wanted(name)));
}

;// CONCATENATED MODULE: ./host/system/logind.js




/**
 * Whether this process, and a PM2 that it starts, would be killed with the SSH session. The defaults are logind.conf's:
 * KillUserProcesses=no in most distributions, and root is excluded.
 */
function diesWithSession({ cgroup, user, lingers, settings }) {
    if (lingers || !isInSession(cgroup))
        return false;
    const value = (name) => (new RegExp(`^${name}=(.*)$`, 'm').exec(settings)?.[1] ?? '').split(/\s+/).filter((word) => word !== '');
    if (value('KillUserProcesses')[0] !== 'yes')
        return false;
    const only = value('KillOnlyUsers');
    if (only.length > 0 && !only.includes(user))
        return false;
    const excluded = value('KillExcludeUsers');
    return !(excluded.length > 0 ? excluded : ['root']).includes(user);
}
function isInSession(cgroup) {
    return /\/session-[^/\s]+\.scope/.test(cgroup);
}
/** Refuses a host that would kill the deploy, and a PM2 that it starts, at logout: green, then down. */
async function requireSurvival(env) {
    const cgroup = (0,external_node_fs_namespaceObject.existsSync)('/proc/self/cgroup') ? (0,external_node_fs_namespaceObject.readFileSync)('/proc/self/cgroup', 'utf8') : '';
    if (!isInSession(cgroup))
        return;
    const { username: name } = (0,external_node_os_namespaceObject.userInfo)();
    const lingers = (0,external_node_fs_namespaceObject.existsSync)(`/var/lib/systemd/linger/${name}`);
    const login = { cgroup, user: name, lingers, settings: 'KillUserProcesses=yes' };
    // Most sessions are settled by what the files say: logind is asked only where it matters.
    if (!diesWithSession(login))
        return;
    const settings = await askLogind(env);
    if (!diesWithSession({ ...login, settings }))
        return;
    throw new DeployFailure(`systemd on this host kills what ${name} left running when the session ends (KillUserProcesses=yes).`, {
        remedy: `Run 'sudo loginctl enable-linger ${name}' once on the server, and run the job again.`,
    });
}
async function askLogind(env) {
    try {
        const options = { cwd: '/', env, timeLimit: 5_000, keep: ALL_OF_IT };
        return (await run('loginctl', ['show-session', '--no-pager'], options)).stdout;
    }
    catch {
        // Without loginctl there is no logind that could kill.
        return '';
    }
}

;// CONCATENATED MODULE: ./host/deploy/in-container.js






const WHERE = {
    'nameless volume': 'on a volume without a name, and a new container gets another one',
    memory: 'in memory (tmpfs)',
    nothing: "in the container's own layer",
};
/**
 * Refuses a deploy into what is lost when the container is recreated, before anything is changed. Where the mounts are not known
 * nothing is refused.
 */
function requireVolumes({ name, pathVolatile }, { top, state }, mounts) {
    if (pathVolatile === 'allow')
        return;
    // What is mounted is the parent of the directory that the host program makes for itself alone.
    const stateHome = realOrSame((0,external_node_path_namespaceObject.dirname)((0,external_node_path_namespaceObject.dirname)(state)));
    const places = [
        { what: `path (${top})`, volume: `${name}-app:${top}`, keeper: keeperOf(top, mounts) },
        {
            what: `The state of the deploys (${stateHome})`,
            volume: `${name}-state:${stateHome}`,
            keeper: keeperOf(stateHome, mounts),
        },
    ];
    const lost = places.flatMap(({ what, volume, keeper }) => keeper === null || keeper === 'volume' ? [] : [{ what, volume, where: WHERE[keeper] }]);
    if (lost.length === 0)
        return;
    throw new DeployFailure(`${lost.map(({ what, where }) => `${what} is ${where}.`).join(' ')} It is lost when container '${name}' is recreated.`, {
        remedy: `Mount it and recreate the container: ${lost.map(({ volume }) => `-v ${volume}`).join(' ')}. In a compose file these stand under volumes. Or set container-path-volatile to allow.`,
    });
}
/** Seconds from the container's start on within which pm2-runtime may still be starting its apps. */
const STARTS_WITHIN = 30;
const in_container_LOOK_EVERY = 1_000;
/**
 * Waits in a container that has just started until pm2-runtime has started its apps: meanwhile a deploy would start a second PM2, or
 * each app twice. That is how a deploy goes on when the container was restarted under it.
 */
async function waitForRuntime({ daemonPid, list }) {
    let before = '';
    while (ageOfContainer() < STARTS_WITHIN) {
        const apps = daemonPid() === null ? [] : await list();
        const now = JSON.stringify(apps.map(({ pmId, pid, status }) => [pmId, pid, status]));
        if (apps.length > 0 && now === before && apps.every(({ status }) => status !== 'launching'))
            return;
        before = now;
        await new Promise((resolve) => setTimeout(resolve, in_container_LOOK_EVERY));
    }
}
/** Seconds since its first process started. */
function ageOfContainer() {
    const start = startTicks(1);
    return start === null ? Number.POSITIVE_INFINITY : (0,external_node_os_namespaceObject.uptime)() - start / 100;
}
/** The arguments of every process here, by pid. */
function commandLines() {
    return new Map(allPids().map((pid) => [pid, argumentsOf(pid)]));
}
const RESTARTED = 'When the container restarts, nothing starts the app again';
/**
 * What is wrong with how PM2 runs in the container, as warnings. `daemon` is the pid of the PM2 that is deployed to; null if none
 * runs. Throws a `DeployFailure` if another PM2 is the container's own: the app would run twice.
 */
function remarksOnPm2({ name }, daemon, commands) {
    const [runtime] = [...commands].find(([, args]) => isRuntime(args)) ?? [null];
    if (daemon === null && runtime !== null) {
        throw new DeployFailure(`pm2-runtime runs in container '${name}' (pid ${runtime}), but not as this user (uid ${process.getuid?.()}) with this PM2_HOME. A deploy would start a second PM2.`, {
            remedy: 'Let the image name the user that pm2-runtime runs as (USER, or user in the compose file), and PM2_HOME if it has one (ENV). An entrypoint that changes either one hides it.',
        });
    }
    if (daemon === null)
        return [`No PM2 runs in container '${name}' yet. ${RESTARTED}: start the container with pm2-runtime.`];
    const args = commands.get(daemon) ?? [];
    if (!isRuntime(args))
        return [
            `PM2 in container '${name}' was not started by pm2-runtime. ${RESTARTED}, unless its command does.`,
        ];
    return [
        args.includes('--no-auto-exit')
            ? []
            : 'pm2-runtime ends the container if no app is online for about 10 s. That can happen in a rollback. Start it with --no-auto-exit.',
        daemon === 1
            ? "pm2-runtime is the container's first process, and leaves a zombie process of each deploy. Start the container with --init, in a compose file with init: true."
            : [],
    ].flat();
}
function isRuntime(args) {
    return args.some((arg) => /^pm2-(runtime|docker)$/.test((0,external_node_path_namespaceObject.basename)(arg)));
}

;// CONCATENATED MODULE: ./host/pm2/install-pm2.js





/**
 * Installs PM2 as `npm install --global` does, where `findPm2` finds it from then on. Gives the prefix that it went to:
 * npm's own one, or `~/.local` if this user may not write there. Nothing is ever done as root.
 */
async function installPm2(options) {
    const own = await npm(['prefix', '--global'], { ...options, onLine: () => { } });
    if (own.code !== 0)
        throw npmFailure(own, options);
    const prefix = mayInstallIn(own.stdout.trim()) ? own.stdout.trim() : (0,external_node_path_namespaceObject.join)(options.home, '.local');
    const args = [
        'install',
        '--global',
        '--prefix',
        prefix,
        '--no-audit',
        '--no-fund',
        `pm2@${options.wanted}`,
    ];
    const result = await npm(args, options);
    if (result.code !== 0)
        throw npmFailure(result, options);
    return prefix;
}
/** Whether `version` is one of those that `wanted` names. */
function isOfVersion(version, wanted) {
    return version === wanted || version.startsWith(`${wanted}.`);
}
async function npm(args, { env, home, timeLimit, cancel, onLine }) {
    let result;
    try {
        result = await run('npm', args, { cwd: home, env, timeLimit, cancel, onLine, keep: ALL_OF_IT });
    }
    catch (error) {
        if (error.code !== 'ENOENT')
            throw error;
        throw new DeployFailure('PM2 is not on this host, and npm is not either, so PM2 cannot be installed.', {
            remedy: "Install npm on the server, for example with 'apt-get install npm', and run the job again.",
            cause: error,
        });
    }
    if (result.stopped === 'cancelled')
        throw cancel.reason;
    return result;
}
/** Both places that npm writes to, or what they are to be made in. */
function mayInstallIn(prefix) {
    return [(0,external_node_path_namespaceObject.join)(prefix, 'lib', 'node_modules'), (0,external_node_path_namespaceObject.join)(prefix, 'bin')].every((directory) => {
        let there = directory;
        while (!exists(there))
            there = (0,external_node_path_namespaceObject.dirname)(there);
        return (0,external_node_fs_namespaceObject.statSync)(there).isDirectory() && isWritable(there);
    });
}
const install_pm2_UNKNOWN = /\b(ETARGET|E404)\b/;
const UNREACHABLE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT)\b|CERT/;
function npmFailure({ stopped, code, tail }, { wanted, timeLimit }) {
    const text = tail.join('\n');
    const byHand = `Or install PM2 by hand ('npm install --global pm2@${wanted}').`;
    if (install_pm2_UNKNOWN.test(text)) {
        return new DeployFailure(`npm's registry has no PM2 ${wanted} (pm2-version).`, {
            remedy: "Set pm2-version to a version that 'npm view pm2 versions' lists, or to its first number alone.",
            output: tail,
        });
    }
    if (stopped === 'time limit' || UNREACHABLE.test(text)) {
        const how = stopped === null ? '' : ` within ${Math.round(timeLimit / 1000)} s (command-timeout)`;
        return new DeployFailure(`npm could not get PM2 from its registry${how}.`, {
            remedy: `Let the server reach the registry: 'npm ping' there tells whether it does. ${byHand}`,
            output: tail,
        });
    }
    return new DeployFailure(`npm could not install PM2 ${wanted} (exit code ${code}).`, {
        remedy: `npm's own lines say why. ${byHand}`,
        output: tail,
    });
}

;// CONCATENATED MODULE: ./host/deploy/provide-pm2.js






/** What a check takes for PM2 if a deploy would install it. */
const NOT_YET = 'not there yet: the first deploy installs it with npm';
/**
 * The PM2 that `find` finds. A deploy that names a version installs it if there is none, and refuses another one: PM2 is
 * never replaced, because its update takes every app down.
 */
async function providePm2(options, find) {
    const { mode, pm2Version: wanted } = options.plan;
    if (wanted === null || (mode !== 'deploy' && mode !== 'check'))
        return find();
    const found = unlessMissing(find);
    if (found !== null)
        return requireVersion(found, wanted);
    if (mode === 'check')
        return { bin: '', root: NOT_YET, version: wanted };
    return installOnce(options, wanted, find);
}
function unlessMissing(find) {
    try {
        return find();
    }
    catch (error) {
        if (error instanceof Pm2Missing)
            return null;
        throw error;
    }
}
function requireVersion(install, wanted) {
    if (isOfVersion(install.version, wanted))
        return install;
    throw new DeployFailure(`This host has PM2 ${install.version} (${install.root}), and pm2-version asks for ${wanted}. A deploy does not replace PM2: its update takes every app down for a moment.`, {
        remedy: `Set pm2-version to ${install.version.split('.')[0]}, or leave it out. To change PM2, run 'npm install --global pm2@${wanted}' and 'pm2 update' on the server when it suits.`,
    });
}
/** Under a lock, since the first deploys of several apps may come at once. */
async function installOnce(options, wanted, find) {
    const { plan, log, runner, env, home, root, locks } = options;
    makePrivate(root);
    const files = {
        own: [`${root}/pm2-install-lock`],
        directory: root,
        note: `${root}/pm2-install.holder.json`,
    };
    const say = (text) => inform(log, text);
    const wait = { timeLimit: plan.lockTimeout, cancel: runner.cancelled, onWait: say };
    const lock = await takeLock(locks, files, plan.run, wait);
    try {
        const found = unlessMissing(find);
        if (found !== null)
            return requireVersion(found, wanted);
        say(`PM2 is not on this host. Installing PM2 ${wanted} with npm (pm2-version).`);
        const prefix = await installPm2({
            wanted,
            env,
            home,
            timeLimit: plan.commandTimeout,
            cancel: runner.cancelled,
            onLine: (text) => log({ type: 'output', from: 'pm2', text }),
        });
        const install = find();
        say(`Installed PM2 ${install.version} in ${prefix}. In a shell of yours, ${prefix}/bin has to be on PATH for 'pm2'.`);
        return install;
    }
    finally {
        lock.release();
    }
}

;// CONCATENATED MODULE: ./host/deploy/preflight.js


















/**
 * Finds everything that the deploy needs and refuses what cannot go well. Changes nothing on the host, but that it installs
 * PM2 if the plan asks for it.
 */
async function preflight(start) {
    const { plan, home, clock, runner } = start;
    refuseOldNode(process.version);
    const top = resolvePath(plan.path, home);
    const places = placesOf(top, plan.workingDirectory, stateRoot(start.env, home), plan.layout.kind);
    const surroundings = withNode(start.env, process.execPath);
    const env = sessionless(surroundings);
    const locks = new Set();
    const gitAt = (directory, cancel = runner.cancelled) => gitIn(directory, {
        clock,
        env,
        timeLimit: plan.commandTimeout,
        ...(cancel !== null && { cancel }),
        locks,
    });
    refuseUnusable(top, plan.path);
    if (start.isNew && plan.mode !== 'remove') {
        if (plan.container !== null)
            requireVolumes(plan.container, places, mounts());
        await requireSurvival(env);
    }
    const git = await requireGit(gitAt, start, top);
    start.redactor.hide(await secretsOfSettings(exists(top) ? git : gitAt('/')));
    const provided = { plan, log: start.log, runner, env, home, root: (0,external_node_path_namespaceObject.dirname)(places.state), locks };
    const pm2 = await clock.book('pm2', () => openPm2({
        env: pm2Environment(surroundings),
        home,
        workDir: (0,external_node_path_namespaceObject.join)(treeOf(places), plan.workingDirectory),
        configDir: start.runDir,
        locks,
        provide: async (find) => (start.isNew || plan.mode === 'check' ? providePm2(provided, find) : find()),
    }));
    if (plan.container !== null)
        await waitForRuntime(pm2);
    for (const { env: secret } of await pm2.list())
        start.redactor.hide(secretsOfEnvironment(secret));
    inform(start.log, `Node ${process.version} (${process.execPath}), PM2 ${pm2.install.version} (${pm2.install.root}), path ${top}.`);
    if (plan.container !== null && start.isNew) {
        for (const remark of remarksOnPm2(plan.container, pm2.daemonPid(), commandLines()))
            warn(start.log, remark);
    }
    if (pm2.otherDaemon !== null) {
        warn(start.log, `PM2's daemon runs version ${pm2.otherDaemon}, its command is ${pm2.install.version}. The deploy does not update the daemon, because that takes every app down for a moment. Run 'pm2 update' when it suits.`);
    }
    if (pm2.otherNode !== null) {
        warn(start.log, `PM2's daemon runs Node ${pm2.otherNode}, and so do apps in cluster mode. This deploy, install and build run ${process.version}. To have one version for all, run 'pm2 update' with the Node that you want: it takes every app down for a moment. Or put the daemon's Node first on PATH with shell-init.`);
    }
    return {
        plan,
        runDir: start.runDir,
        places,
        log: start.log,
        redactor: start.redactor,
        runner,
        journal: openJournal(places.state),
        pm2,
        env,
        gitIn: (directory) => gitAt(directory),
        git,
        gitAfterwards: gitAt(top, null),
        access: { gitToken: plan.gitToken, say: onceEach((text) => inform(start.log, text)) },
        clock,
        locks,
    };
}
/** Each part of a deploy that needs the token says so. */
function onceEach(say) {
    const said = new Set();
    return (text) => {
        if (!said.has(text))
            say(text);
        said.add(text);
    };
}
/** Node 16 got `Array.prototype.at`, `fs.cpSync` and the reason of an abort on its way, 16.14 the last of them. */
function refuseOldNode(version) {
    const [major, minor] = parseVersion(version) ?? [0, 0];
    if (major > 16 || (major === 16 && minor >= 14))
        return;
    throw new DeployFailure(`Node ${version} is too old for a deploy: it takes 16.14 or newer.`, {
        remedy: 'Install the last Node 16 (16.20.2) or a newer one on the server. Or put another one on PATH with shell-init.',
    });
}
function refuseUnusable(live, given) {
    if (exists(live) && !(0,external_node_fs_namespaceObject.statSync)(live).isDirectory())
        throw new DeployFailure(`path '${given}' is not a directory: ${live}.`);
    let parent = exists(live) ? live : (0,external_node_path_namespaceObject.dirname)(live);
    while (!exists(parent))
        parent = (0,external_node_path_namespaceObject.dirname)(parent);
    try {
        (0,external_node_fs_namespaceObject.accessSync)(parent, external_node_fs_namespaceObject.constants.W_OK | external_node_fs_namespaceObject.constants.X_OK);
    }
    catch (error) {
        const disk = diskTrouble(error);
        if (disk !== null)
            throw disk;
        throw new DeployFailure(`This user may not write to ${parent} (uid ${process.getuid?.()}).`, {
            remedy: `Deploy as its owner, or give it to this user on the server: 'sudo chown -R <user> ${parent}'.`,
        });
    }
}
/** Git in `live`, once it is there and what stands at `live` is what this mode takes. */
async function requireGit(gitAt, start, live) {
    try {
        const isThere = exists(live);
        if (!isThere)
            await gitAt('/').attempt(['--version']);
        const found = isThere ? await inspectCheckout(live, gitAt(live), preparedFor(start.plan)) : 'absent';
        if (found === 'absent')
            refuseNothing(start, live);
    }
    catch (error) {
        throw gitMissing(error) ?? error;
    }
    return gitAt(live);
}
/** Entries that a user may have put into `path` before there is a version. */
function preparedFor({ layout }) {
    return layout.kind === 'releases' ? ['shared'] : [];
}
/** A first deploy makes the checkout, and a check answers for one. The other modes are about what was deployed before. */
function refuseNothing({ plan, isNew }, live) {
    const { mode, path } = plan;
    if (mode !== 'status' && !(mode === 'rollback' && isNew))
        return;
    throw new DeployFailure(`Nothing was ever deployed to path '${path}': ${live} has no checkout.`, {
        remedy: mode === 'rollback'
            ? 'Check path for a typing error: a rollback needs the path of the earlier deploys. A first version is deployed with mode deploy.'
            : 'Check path for a typing error: a status needs the path of the earlier deploys.',
    });
}

;// CONCATENATED MODULE: ./host/health/outdated.js


/**
 * Online instances that still run an older version than the files that are live: a deploy of some apps swaps the files of
 * all, and the next crash of the others boots code that nobody tried. `inLive` is all that PM2 runs from there.
 */
function outdatedOf(inLive, current, entries, ticksOfPid = startTicks) {
    const since = current === null ? null : ticksOf(current.since);
    // After a reboot, every process began with the files as they are.
    if (current === null || since === null)
        return [];
    const shas = new Map(endedDeploys(entries)
        .filter(({ outcome }) => outcome === 'deployed')
        .map(({ deploy, sha }) => [deploy, sha]));
    return inLive.filter(({ status, pid, deployId }) => {
        const started = pid > 0 ? ticksOfPid(pid) : null;
        if (status !== 'online' || started === null || started > since)
            return false;
        return deployId === null || (deployId !== current.runsAs && shas.get(deployId) !== current.sha);
    });
}

;// CONCATENATED MODULE: ./host/system/clock.js

function createClock(now = () => performance.now()) {
    const spent = Object.fromEntries(ACCOUNTS.map((account) => [account, 0]));
    const active = new Map();
    return {
        spent,
        async book(account, work) {
            const running = active.get(account) ?? { count: 0, since: now() };
            running.count += 1;
            active.set(account, running);
            try {
                return await work();
            }
            finally {
                running.count -= 1;
                if (running.count === 0) {
                    spent[account] += now() - running.since;
                    active.delete(account);
                }
            }
        },
    };
}

;// CONCATENATED MODULE: ./host/deploy/running-apps.js

/** Counts instances by the app's name. */
function countsOfApps(instances) {
    const names = [...new Set(instances.map(({ name }) => name))].sort((a, b) => a.localeCompare(b));
    return names.map((name) => {
        const same = instances.filter((one) => one.name === name);
        return {
            name,
            instances: same.length,
            online: same.filter((one) => one.status === 'online' && !endedWell(one)).length,
            ended: same.filter(endedWell).length,
        };
    });
}

;// CONCATENATED MODULE: ./host/deploy/glance.js












/** Milliseconds, for each of two looks. */
const LOOKS_FOR = 5_000;
/**
 * What runs at `path`, for a deploy that failed before it could look: on a full disk, or without PM2's command. Needs no
 * room and neither git's nor PM2's checks. Never fails: what cannot be seen is null.
 */
async function glance(plan) {
    const home = (0,external_node_os_namespaceObject.homedir)();
    const [sha, own] = await Promise.all([
        headOf(plan, home).catch(() => null),
        instancesOf(plan, home).catch(() => null),
    ]);
    const apps = own === null ? null : countsOfApps(own);
    const instances = own === null ? null : own.filter(({ status }) => status === 'online').length;
    return { sha, previousSha: sha, instances, outdated: [], apps };
}
async function headOf({ path, workingDirectory, layout }, home) {
    const top = resolvePath(path, home);
    // Git would look for a repository above.
    if (!exists((0,external_node_path_namespaceObject.join)(top, '.git')))
        return null;
    const places = placesOf(top, workingDirectory, stateRoot(process.env, home), layout.kind);
    const gitAfterwards = gitIn(top, {
        clock: createClock(),
        env: sessionless(process.env),
        timeLimit: LOOKS_FOR,
        locks: new Set(),
    });
    return (await readLiveHead({ places, gitAfterwards })).sha;
}
async function instancesOf({ path }, home) {
    const live = resolvePath(path, home);
    const rpc = await openRpc(pm2HomeOf(process.env, home), LOOKS_FOR);
    if (rpc === null)
        return [];
    try {
        return instancesIn(live, await listInstances(rpc, LOOKS_FOR));
    }
    finally {
        rpc.close();
    }
}

;// CONCATENATED MODULE: ./host/deploy/result.js







/** All that the runner is told at the end. */
async function resultOf({ plan, end, context, progress, clock, started }) {
    // Without a context, preflight failed: what runs here was not looked at yet.
    const { failure } = end;
    const runs = context === null ? await glance(plan) : await countInstances(context);
    const target = end.target ?? progress.sha;
    return {
        mode: plan.mode,
        requests: null,
        standing: null,
        unhealthy: null,
        ...end,
        ...runs,
        failure: failure === null ? null : { ...failure, live: await complaintAfter(failure, context) },
        asked: plan.healthUrl !== null,
        target,
        commit: context === null || target === null ? null : await commitOf(context, target),
        previousRun: context === null ? '' : runOf(context, end.previousSha),
        states: progress.entered,
        durationMs: Math.round(performance.now() - started),
        spent: clock.spent,
        versions: { node: process.version, pm2: context?.pm2.install.version ?? '' },
    };
}
/** In these states commands of the new version have run: a migration may have broken what the live app works with. */
const RUNS_COMMANDS = ['staged', 'prepared', 'canary'];
async function complaintAfter({ state }, context) {
    if (context === null || !RUNS_COMMANDS.includes(state))
        return null;
    return complaintAtHealthUrl(context).catch(() => null);
}
async function countInstances({ pm2, places, journal }) {
    let own;
    let online;
    let old;
    try {
        own = instancesIn(places.top, await pm2.list());
        online = own.filter(({ status }) => status === 'online');
        old = outdatedOf(online, loadCurrent(places.state), journal.entries());
    }
    catch {
        // A daemon that no longer answers, or a record that cannot be read, has been reported already.
        return { instances: null, outdated: [], apps: null };
    }
    const names = [...new Set(old.map(({ name }) => name))].sort();
    return {
        instances: online.length - old.length,
        outdated: names.map((name) => ({ name, instances: old.filter((one) => one.name === name).length })),
        apps: countsOfApps(own),
    };
}
async function commitOf({ gitAfterwards }, sha) {
    const told = await gitAfterwards
        .attempt(['log', '-1', '--no-show-signature', '--format=%s%n%an', sha])
        .catch(() => null);
    if (told === null || told.code !== 0)
        return null;
    const [subject = '', author = ''] = told.stdout.split('\n');
    return { subject, author };
}
function runOf({ journal }, sha) {
    try {
        const brought = endedDeploys(journal.entries()).filter((entry) => entry.sha === sha && entry.outcome === 'deployed');
        return brought[brought.length - 1]?.run.url ?? '';
    }
    catch {
        // A journal that cannot be read has failed the deploy already.
        return '';
    }
}

;// CONCATENATED MODULE: ./host/program/program-log.js


const LINES = 20;
const TAIL = 16 * 1024;
/** Opens the file for what the host program prints, such as the reason for a crash. */
function openProgramLog(runDir) {
    return openSync(program_log_file(runDir), 'a', 0o600);
}
/** The last lines of that file. */
function programLog(runDir) {
    try {
        const text = (0,external_node_fs_namespaceObject.readFileSync)(program_log_file(runDir)).subarray(-TAIL).toString('utf8');
        return text
            .split('\n')
            .filter((line) => line !== '')
            .slice(-LINES);
    }
    catch {
        return [];
    }
}
const program_log_file = (runDir) => (0,external_node_path_namespaceObject.join)(runDir, 'stderr.log');

;// CONCATENATED MODULE: ./host/deploy/resume.js



















const REMEDY = 'Run the job again. If it ends like this again, check whether the host runs out of memory (dmesg, journalctl -k).';
/**
 * Ends what this very deploy has left open, whose program was killed or crashed, and tells how it ended: as the journal
 * has it, whoever has written that.
 */
async function resume(context, progress) {
    const { plan, places, runDir } = context;
    const reached = lastState(runDir);
    const killed = `The program that carries out the deploy on the host was killed, or crashed, in ${reached}.`;
    const output = programLog(runDir);
    progress.state = reached;
    warn(context.log, `${killed} Now its work is ended.`);
    const stopped = await watchLeftReload(context);
    // Git and PM2 children that it left hold the lock until they end.
    await takeAppLock(context);
    endLeftBuild(places.beside);
    await removeCanaries(context);
    const trouble = await reconcile(context, stopped, {
        onState: (state) => progress.enter(state),
        standBy: async (turn, onBegin) => {
            if (plan.waits)
                await standBy(context, { turn, service: leftService(context) }, onBegin);
        },
    }).then(() => null, (error) => ({ error }));
    const left = trouble === null
        ? await endReloadCommands(context).catch((error) => failureOf(error, reached))
        : null;
    const why = migrationLeft(context) === plan.deployId ? `${killed} ${MAY_HAVE_RUN}` : killed;
    const end = await resume_endOf(context, reached, why, output, trouble);
    forgetMigration(context);
    if (left !== null)
        return withFailure(end, left);
    return end.failure === null ? end : { ...end, failure: withCommandLeft(context, end.failure) };
}
/** How the deploy ended, as the journal has it, or what kept it from being ended. */
async function resume_endOf(context, reached, killed, output, trouble) {
    const { plan, places, journal } = context;
    const entry = endedDeploys(journal.entries()).find(({ deploy }) => deploy === plan.deployId);
    const { sha } = await readLiveHead(context);
    const failure = (state, message) => ({
        state,
        message,
        remedy: REMEDY,
        output,
        appLogs: [],
        live: null,
        rollback: null,
    });
    if (entry === undefined || entry.outcome === null) {
        if (trouble !== null)
            return { outcome: 'failed', sha: null, previousSha: null, failure: failureOf(trouble.error, reached) };
        const state = beforeActivating(reached);
        journal.end(subjectOf(plan, null), state, 'failed', killed);
        return { outcome: 'failed', sha, previousSha: sha, failure: failure(state, killed) };
    }
    const { outcome, reason } = entry;
    const transaction = loadTransaction(places.state);
    const previousSha = transaction?.deployId === plan.deployId ? transaction.previousSha : sha;
    if (outcome === 'deployed')
        return { outcome, sha: entry.sha, previousSha, failure: null };
    if (outcome === 'unchanged')
        return { outcome, sha, previousSha: sha, failure: null };
    return { outcome, sha, previousSha, failure: failure(reached, reason ?? killed) };
}
/** What the program had entered last. A full disk may have torn its last line. */
function lastState(runDir) {
    const states = (0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(runDir, 'events.ndjson'), 'utf8')
        .split('\n')
        .map(objectIn)
        .filter((event) => event?.type === 'state')
        .map((event) => STATES.find((known) => known === event?.state) ?? 'preflight');
    return states[states.length - 1] ?? 'preflight';
}
/** A state is told before the journal has it: as long as that does not, nothing was done in it. */
function beforeActivating(state) {
    return STATES.indexOf(state) < STATES.indexOf('activating') ? state : 'prepared';
}

;// CONCATENATED MODULE: ./host/program/lease.js

/** `limit` and the clock `now` are in milliseconds. */
function startLease(limit = LEASE, now = () => performance.now()) {
    let heard = now();
    return {
        renew() {
            heard = now();
        },
        hasEnded: () => now() - heard > limit,
    };
}

;// CONCATENATED MODULE: ./host/program/control.js





const control_POLL_EVERY = 1_000;
/** Reads what a follower appends to the run's control file. Any byte renews the lease. */
function listen(runDir, lease = startLease()) {
    const descriptor = (0,external_node_fs_namespaceObject.openSync)((0,external_node_path_namespaceObject.join)(runDir, 'control.ndjson'), 'a+', 0o600);
    const abort = new AbortController();
    let alone = false;
    let late = null;
    let isVerified = false;
    const words = { lock: awaited(), go: awaited(), verdict: awaited() };
    let rest = '';
    let position = 0;
    const giveUp = (failure) => {
        if (alone)
            late ??= failure;
        else
            abort.abort(failure);
    };
    const read = () => {
        const buffer = Buffer.alloc(4096);
        for (let size = 1; size > 0; position += size) {
            size = (0,external_node_fs_namespaceObject.readSync)(descriptor, buffer, 0, buffer.length, position);
            if (size > 0)
                lease.renew();
            rest += buffer.toString('utf8', 0, size);
        }
        const lines = rest.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines)
            obey(parse(line));
        if (!lease.hasEnded())
            return;
        giveUp(runnerGone());
        // Not before it is asked for: until then the runner may come back and say another word.
        if (isVerified)
            words.verdict.take({ type: 'silence' });
    };
    const obey = (message) => {
        switch (message?.type) {
            case 'cancel':
                giveUp(cancelledBy(message.reason));
                break;
            // A cancel is final: a later `lock` or `go` does not count.
            case 'lock':
                if (!abort.signal.aborted)
                    words.lock.take(message);
                break;
            case 'go':
                if (!abort.signal.aborted)
                    words.go.take(message);
                break;
            case 'done':
            case 'roll-back':
                words.verdict.take(message);
        }
    };
    const unlessCancelled = (word) => new Promise((resolve, reject) => {
        if (abort.signal.aborted)
            return reject(abort.signal.reason);
        abort.signal.addEventListener('abort', () => reject(abort.signal.reason), { once: true });
        void word.then(resolve);
    });
    // Watching is quick, but it can be refused (inotify limits) and can miss a change. Polling cannot.
    const timer = setInterval(read, control_POLL_EVERY);
    let watcher = null;
    try {
        watcher = (0,external_node_fs_namespaceObject.watch)((0,external_node_path_namespaceObject.join)(runDir, 'control.ndjson'), read);
        watcher.on('error', () => { });
    }
    catch {
        watcher = null;
    }
    read();
    return {
        cancelled: abort.signal,
        lock: () => unlessCancelled(words.lock.heard),
        go: () => unlessCancelled(words.go.heard),
        verdict: () => {
            isVerified = true;
            return words.verdict.heard;
        },
        standAlone() {
            read();
            if (abort.signal.aborted)
                throw abort.signal.reason;
            alone = true;
        },
        async undisturbed(work) {
            alone = true;
            try {
                await work();
            }
            finally {
                alone = false;
                if (late !== null)
                    giveUp(late);
            }
        },
        close() {
            clearInterval(timer);
            watcher?.close();
            (0,external_node_fs_namespaceObject.closeSync)(descriptor);
        },
    };
}
/** For a program that nobody can cancel: one that only ends what an earlier one left, or only looks. */
function standsAlone() {
    return {
        cancelled: new AbortController().signal,
        lock: () => Promise.resolve({ type: 'lock', ref: null }),
        go: () => Promise.resolve({ type: 'go' }),
        verdict: () => Promise.resolve({ type: 'done' }),
        undisturbed: (work) => work(),
        standAlone() { },
        close() { },
    };
}
/**
 * For a program that ends what an earlier one left of a deploy to several hosts: nobody can cancel it, but whether the version
 * stays is the runner's word still. What was said to the earlier program counts.
 */
function hearsVerdict(runDir) {
    const { verdict, close } = listen(runDir);
    return { ...standsAlone(), verdict, close };
}
/** A word, from when it is heard on, also for those who ask later. The first one counts. */
function awaited() {
    let take = (_) => { };
    const heard = new Promise((resolve) => {
        take = resolve;
    });
    return { heard, take: (word) => take(word) };
}
function cancelledBy(reason) {
    return new DeployFailure(`Cancelled before the new version went live: ${reason}.`);
}
function runnerGone() {
    return new DeployFailure(`The runner was silent for ${LEASE / 1000} s. The deploy gave up before the new version went live.`);
}
function parse(line) {
    try {
        return JSON.parse(line);
    }
    catch {
        return null;
    }
}

;// CONCATENATED MODULE: ./host/program/events.js



/** A build may print for ever, and a disk is finite. Bytes of the file: what commands print, and all else but the end. */
const MOST_OUTPUT = 2_000_000;
const MOST_OTHERS = 2_000_000;
/** Characters of one text, and texts of one list. */
const LONGEST_TEXT = 2_000;
const LONGEST_LIST = 500;
/** Writes events where followers read them, without secrets. Returns once the event is in the file. */
function openEvents(runDir, redactor) {
    const descriptor = (0,external_node_fs_namespaceObject.openSync)((0,external_node_path_namespaceObject.join)(runDir, 'events.ndjson'), 'a', 0o600);
    const append = (line) => {
        try {
            const { size } = (0,external_node_fs_namespaceObject.fstatSync)(descriptor);
            if ((0,external_node_fs_namespaceObject.writeSync)(descriptor, line) === line.length)
                return true;
            // The next event must not continue one that found room in part.
            (0,external_node_fs_namespaceObject.ftruncateSync)(descriptor, size);
        }
        catch {
            // A full disk must stop the telling only, never a rollback.
        }
        return false;
    };
    const write = (json) => {
        const line = Buffer.from(`${json}\n`);
        if (append(line))
            return;
        freeReserve(runDir);
        append(line);
    };
    return Object.assign(eventLog(write, redactor), { close: () => (0,external_node_fs_namespaceObject.closeSync)(descriptor) });
}
/** Prints events as a follower does that reads them from a file. */
function printEvents(print, redactor) {
    let position = 0;
    return eventLog((json) => {
        position += Buffer.byteLength(json) + 1;
        print(`event ${position} ${json}`);
    }, redactor);
}
function eventLog(writeLine, redactor) {
    const output = allowance(MOST_OUTPUT);
    const others = allowance(MOST_OTHERS);
    const jsonOf = (event) => JSON.stringify(event, (key, value) => clean(key, value, redactor));
    const writeWithin = (limit, event) => {
        const json = limit.leftOut > 0 ? '' : jsonOf(event);
        const fits = limit.takes(Buffer.byteLength(json) + 1);
        if (fits)
            writeLine(json);
        return fits;
    };
    return (event) => {
        if (event.type === 'notice')
            writeWithin(others, event);
        else if (event.type === 'output') {
            if (writeWithin(output, event) || output.leftOut > 1)
                return;
            writeLine(jsonOf({ ...event, text: '(too much output for the log; the rest is left out)' }));
        }
        else {
            if (event.type === 'end')
                for (const text of omissions(output.leftOut, others.leftOut))
                    writeLine(jsonOf({ type: 'notice', level: 'warning', text }));
            writeLine(jsonOf(event));
        }
    };
}
/** Counts bytes up to a limit, and then what is left out. */
function allowance(limit) {
    let used = 0;
    return {
        leftOut: 0,
        takes(size) {
            if (this.leftOut === 0 && used + size <= limit)
                used += size;
            else
                this.leftOut += 1;
            return this.leftOut === 0;
        },
    };
}
function omissions(lines, notices) {
    const why = `a log holds ${MOST_OUTPUT / 1e6} MB of them`;
    return [
        ...(lines > 0 ? [`${lines} more lines that commands printed are not in the log: ${why}.`] : []),
        ...(notices > 0 ? [`${notices} more messages are not in the log: ${why}.`] : []),
    ];
}
/** What the protocol itself says, and not the host: an app may have its commit's id in its environment. */
const events_OURS = new Set([
    'type',
    'state',
    'level',
    'from',
    'outcome',
    'sha',
    'previousSha',
    'target',
    'place',
    'previous',
]);
function clean(key, value, redactor) {
    if (Array.isArray(value) && value.length > LONGEST_LIST)
        return [...value.slice(0, LONGEST_LIST), `… and ${value.length - LONGEST_LIST} more`];
    if (typeof value !== 'string' || events_OURS.has(key))
        return value;
    const text = redactor.redact(value);
    return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)} …` : text;
}

;// CONCATENATED MODULE: ./host/program/printer.js
/** Starts each line on a new line, because a background job of the login shell may have printed half a line. */
function printer(nonce) {
    // If nobody reads any more, the session is over.
    process.stdout.on('error', leave);
    return (text, done) => {
        process.stdout.write(`\n${nonce} ${text}\n`, done);
    };
}
/** Ends the session. What the host program does goes on. */
function leave() {
    process.exit(0);
}

;// CONCATENATED MODULE: ./host/git/difference.js




const NEWEST = 5;
/**
 * Asks the repository what lies between the commit `from`, which is checked out, and `sha`. Writes nothing into git's
 * repository. Null if the server does not tell, or the checkout has no whole history.
 */
async function differenceTo(git, gitIn, { from, sha, repository }, access) {
    const remote = await openRemote(git, repository, access);
    return inScratch(git, gitIn, formatOf(sha), async (scratch) => {
        const flags = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--filter=blob:none'];
        if ((await remote.attempt(flags, [sha], scratch)).code !== 0)
            return null;
        const [counts, newest, files] = await Promise.all([
            scratch.attempt(['rev-list', '--left-right', '--count', `${from}...${sha}`]),
            scratch.attempt(['log', `-${NEWEST}`, '--no-show-signature', '--format=%h %s', `${from}..${sha}`]),
            scratch.attempt(['diff-tree', '-r', '-z', '--no-renames', '--name-status', from, sha]),
        ]);
        if (counts.code !== 0 || newest.code !== 0 || files.code !== 0)
            return null;
        const [behind = 0, ahead = 0] = counts.stdout.trim().split(/\s+/).map(Number);
        const words = splitZ(files.stdout);
        return {
            ahead,
            behind,
            newest: newest.stdout.split('\n').filter(Boolean),
            files: words.flatMap((word, at) => (at % 2 === 0 ? [`${word} ${words[at + 1] ?? ''}`] : [])),
        };
    });
}

;// CONCATENATED MODULE: ./host/look/dry-run.js







const MOST_FILES = 20;
/** What a deploy of `sha` would change in the checkout, as sentences: commits and tracked files. */
async function changesOfCommit(context, from, sha) {
    if (from === sha)
        return ['The commit is checked out already.'];
    const { git, gitIn, plan } = context;
    const found = await differenceTo(git, gitIn, { from, sha, repository: plan.repository }, context.access);
    if (found === null)
        return [];
    const { ahead, behind, newest, files } = found;
    const more = ahead > newest.length ? `; and ${ahead - newest.length} more` : '';
    const shown = files.slice(0, MOST_FILES).join(', ');
    const others = files.length > MOST_FILES ? ` and ${files.length - MOST_FILES} more` : '';
    return [
        ...(ahead > 0 ? [`${counted(ahead, 'commit')} would go live: ${newest.join('; ')}${more}.`] : []),
        ...(behind > 0
            ? [`${counted(behind, 'commit')} that ${behind === 1 ? 'is' : 'are'} live would go.`]
            : []),
        files.length === 0
            ? 'No tracked file would change.'
            : `${counted(files.length, 'tracked file')} would change: ${shown}${others}. Install and build add theirs.`,
    ];
}
/** What it would do to the env file; null if the plan has none. */
function changeOfEnvFile({ plan, places }) {
    const path = envFilePath(plan);
    if (plan.envFile === null || path === null)
        return null;
    const now = readIfThere((0,external_node_path_namespaceObject.join)(treeOf(places), path));
    if (now === plan.envFile.content)
        return `${path} would stay: it is what env-file says.`;
    return now === null ? `${path} would be written.` : `${path} would change: env-file says something else.`;
}
/** What it would change of the settings that PM2 has, as sentences. Names settings, never values. */
function changesOfConfig(old, wanted) {
    const changes = wanted.flatMap((app) => {
        const before = old.find(({ name }) => name === app.name);
        if (before === undefined)
            return [`'${app.name}' is new`];
        const changed = settingsOf(before, app);
        return changed.length === 0 ? [] : [`'${app.name}' gets other settings: ${changed.join(', ')}`];
    });
    const gone = old.filter(({ name }) => !wanted.some((app) => app.name === name));
    const all = [...changes, ...gone.map(({ name }) => `'${name}' is no longer in it`)];
    return all.length === 0
        ? ['The ecosystem file says the same as before.']
        : [`By the ecosystem file of the commit, ${all.join('; ')}.`];
}
function settingsOf(before, after) {
    const differing = (one, other) => [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((key) => !(0,external_node_util_namespaceObject.isDeepStrictEqual)(Reflect.get(one, key), Reflect.get(other, key)));
    const variables = differing(before.env, after.env).filter((name) => name !== DEPLOY_ID);
    return [
        ...differing({ ...before, env: null }, { ...after, env: null }),
        ...variables.map((name) => `env.${name}`),
    ];
}
function counted(count, what) {
    return `${count} ${what}${count === 1 ? '' : 's'}`;
}

;// CONCATENATED MODULE: ./host/git/peek.js






/** A larger file is no configuration. A server that cannot leave out files sends all of them. */
const SMALL = '--filter=blob:limit=256k';
/** What an ecosystem file is written in, and what it mostly reads. */
const CONFIGURATION = /\.([cm]?js|json|ya?ml)$/;
/**
 * Lays small files of a commit, of these directories alone and not of any below, into a directory for temporary files, and
 * calls `work` with it, and with the repository that they came from. Null if the server does not hand out this one commit. Writes nothing into git's repository.
 */
async function peek(git, gitIn, { sha, repository, directories }, access, work) {
    const remote = await openRemote(git, repository, access);
    return inScratch(git, gitIn, formatOf(sha), async (scratch) => {
        const fetched = await remote.attempt(['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--depth=1', SMALL], [sha], scratch);
        if (fetched.code !== 0)
            return null;
        const top = (0,external_node_path_namespaceObject.join)(scratch.directory, 'files');
        const missing = await missingObjects(scratch, sha);
        for (const directory of new Set(directories)) {
            (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.join)(top, directory), { recursive: true });
            await layFiles(scratch, { sha, directory, missing, top });
        }
        return work(top, scratch);
    });
}
/** What the server left out: git would fetch each one as soon as it is read. */
async function missingObjects(scratch, sha) {
    const objects = await scratch.attempt(['rev-list', '--objects', '--missing=print', '--max-count=1', sha]);
    const lines = objects.stdout.split('\n').filter((line) => line.startsWith('?'));
    return new Set(lines.map((line) => line.slice(1)));
}
async function layFiles(scratch, { sha, directory, missing, top }) {
    const within = directory === '' ? [] : ['--', `${directory}/`];
    const listing = await scratch.attempt(['ls-tree', '-z', '--full-tree', sha, ...within]);
    for (const entry of splitZ(listing.stdout)) {
        const [, id, path] = entry.match(/^100\d{3} blob ([0-9a-f]+)\t(.*)$/s) ?? [];
        if (id === undefined || path === undefined || missing.has(id) || !CONFIGURATION.test(path))
            continue;
        const file = await scratch.attempt(['cat-file', 'blob', id]);
        if (file.code === 0)
            (0,external_node_fs_namespaceObject.writeFileSync)((0,external_node_path_namespaceObject.join)(top, path), file.stdout);
    }
}

;// CONCATENATED MODULE: ./host/look/inside-commit.js








/** Looks at what a commit has in it that decides whether it can go live, as far as that can be told without a build. */
async function lookInsideCommit(context, git, sha, see) {
    const { workingDirectory, ecosystem, repository } = context.plan;
    const places = [workingDirectory, (0,external_node_path_namespaceObject.join)(workingDirectory, (0,external_node_path_namespaceObject.dirname)(ecosystem ?? ''))];
    const directories = places.map((path) => (path === '.' ? '' : path));
    const wanted = { sha, repository, directories };
    await peek(git, context.gitIn, wanted, context.access, async (top, scratch) => {
        await see(() => lookAtLargeFiles(scratch, sha));
        await see(() => lookAtNewSettings(context, top));
    });
}
async function lookAtLargeFiles(scratch, sha) {
    const { files, isLeftOut } = await lookForLargeFiles(scratch, sha);
    if (files.length === 0)
        return null;
    const keeps = `The commit keeps ${large_files_named(files)} in Git LFS`;
    return isLeftOut
        ? `${keeps}. By lfs.fetchexclude or filter.lfs, the pointers stay in their place.`
        : `${keeps}, and git-lfs is on this server.`;
}
/**
 * Tells what the ecosystem file of the commit changes, and refuses what it says and cannot work, as far as that file can be read without what install
 * and build bring.
 */
async function lookAtNewSettings(context, top) {
    const { plan, places, log } = context;
    const apps = plan.script === null ? await readAppsEarly(context, top, plan.deployId) : null;
    if (apps === null)
        return null;
    const current = loadCurrent(places.state);
    if (current !== null)
        for (const change of changesOfConfig(current.config, apps))
            inform(log, change);
    await refuseImpossible(context, apps, top);
    return null;
}

;// CONCATENATED MODULE: ./host/look/status.js

















/** How many deploys of the history are reported. */
const status_TOLD = 30;
/** Tells what runs and how it came there. Changes nothing. */
async function status_status(context) {
    const { journal, places, pm2 } = context;
    const { sha } = await readLiveHead(context);
    const history = endedDeploys(journal.entries()).map(pastDeploy).reverse();
    const own = instancesIn(places.top, await pm2.list());
    const standing = {
        deployed: history.find((past) => past.outcome === 'deployed' && past.sha === sha) ?? null,
        apps: status_appsOf(context, own),
        logs: logsOf(context, own),
        remarks: remarksOn(context, sha),
        history: history.slice(0, status_TOLD),
    };
    const unhealthy = await whyUnhealthy(context);
    const failure = unhealthy === null ? null : failureOf(new DeployFailure(unhealthy), 'preflight');
    const outcome = failure === null ? 'unchanged' : 'failed';
    return { outcome, sha, previousSha: sha, failure, unhealthy, standing };
}
/** What PM2 runs from the app's directory, by name. */
function status_appsOf({ places, journal }, own) {
    const current = loadCurrent(places.state);
    const outdated = outdatedOf(own, current, journal.entries());
    return countsOfApps(own).map((counts) => {
        const same = own.filter(({ name }) => name === counts.name);
        return {
            ...counts,
            outdated: outdated.filter(({ name }) => name === counts.name).length,
            restarts: current === null ? null : restartsSince(current.restarts, same),
        };
    });
}
/** The last lines that the apps wrote. What stands in their `.env` files is hidden from now on. */
function logsOf({ places, plan, redactor }, own) {
    const { logLines } = plan;
    if (logLines === 0)
        return [];
    for (const source of envSources(places))
        for (const path of envFiles(source, ['', plan.workingDirectory]))
            redactor.hide(secretsOfEnvFile(readIfThere((0,external_node_path_namespaceObject.join)(source, path)) ?? ''));
    const names = [...new Set(own.map(({ name }) => name))];
    return names.flatMap((app) => {
        const same = own.filter(({ name }) => name === app);
        const paths = {
            output: same.map(({ outLogPath }) => outLogPath),
            error: same.map(({ errLogPath }) => errLogPath),
        };
        return STREAMS.map((stream) => ({ app, stream, lines: lastLines(paths[stream], logLines) })).filter(({ lines }) => lines.length > 0);
    });
}
/** PM2 counts deploys too: what it had counted when the last one was verified is left out. */
function restartsSince(noted, same) {
    if (noted === null)
        return null;
    // A counter below the noted one was set to 0 by `pm2 reset`, or is a new instance's.
    return same.reduce((sum, { pmId, restartTime }) => {
        const then = noted[pmId] ?? 0;
        return sum + (restartTime < then ? restartTime : restartTime - then);
    }, 0);
}
/**
 * Why the live app is not healthy now, as a sentence; null if it is. While a deploy goes on nothing is said: it takes
 * instances down and up, and judges them itself. What none of ours brought is judged by PM2's list alone.
 */
async function whyUnhealthy(context) {
    const { places, pm2 } = context;
    if (lockHolders(context).length > 0)
        return null;
    const current = loadCurrent(places.state);
    if (current !== null) {
        const why = await complaintAboutLive(context, current).catch((error) => error.message);
        return why === null ? null : `The live app is not healthy: ${why}.`;
    }
    const bad = countsOfApps(instancesIn(places.top, await pm2.list())).find(({ instances, online, ended }) => online + ended < instances);
    if (bad === undefined)
        return null;
    return `The live app is not healthy: of '${bad.name}' ${bad.online} of ${bad.instances} instances are online.`;
}
/** Remarks on a deploy that is running or was interrupted, and on a commit that no deploy brought. */
function remarksOn(context, head) {
    const { places, journal } = context;
    const holders = lockHolders(context);
    const left = unfinished(journal.entries());
    const current = loadCurrent(places.state);
    const interrupted = left !== null && holders.length === 0
        ? [
            `Deploy ${left.deploy} (${left.run.url}) was interrupted in ${left.state}. The next deploy ends it first.`,
        ]
        : [];
    const moved = current !== null && left === null && current.sha !== head
        ? [
            `${head ?? 'Nothing'} is checked out, but ${current.sha} was verified last. Somebody changed the checkout since.`,
        ]
        : [];
    return [...holders, ...interrupted, ...moved];
}

;// CONCATENATED MODULE: ./host/look/check.js




















/** Looks at all that a deploy needs and can be seen without one, beyond what preflight has seen. Changes nothing. */
async function check_check(context) {
    const { places, git, gitIn, log } = context;
    const there = isCheckout(places.top);
    const { sha } = await readLiveHead(context);
    for (const remark of remarksOn(context, sha))
        warn(log, remark);
    if (!there)
        inform(log, `${places.top} is not a checkout yet. A deploy makes one.`);
    const problems = [];
    let target = null;
    const see = async (look) => {
        try {
            const found = await look();
            if (found !== null)
                inform(log, found);
        }
        catch (error) {
            if (!(error instanceof DeployFailure))
                throw error;
            problems.push(error);
        }
    };
    await see(async () => requireWritable(places.state));
    await see(async () => requireOwnPlaces(places));
    await see(async () => {
        target = await lookAtCommit(context, there ? git : gitIn('/'), sha, see);
        return changeOfEnvFile(context);
    });
    if (there) {
        await see(() => lookAtCheckout(context));
        await see(() => lookAtApps(context));
    }
    for (const text of await upkeepOf(context))
        inform(log, text);
    const unhealthy = await whyUnhealthy(context);
    const failure = problems.length === 0 && unhealthy !== null
        ? failureOf(new DeployFailure(unhealthy), 'preflight')
        : failureOfAll(problems);
    return {
        outcome: failure === null ? 'unchanged' : 'failed',
        sha,
        previousSha: sha,
        target,
        failure,
        unhealthy,
    };
}
function failureOfAll(problems) {
    const [first, ...others] = problems;
    if (first === undefined)
        return null;
    const { message, remedy, output } = first;
    const more = others.length === 0
        ? ''
        : ` ${others.length} more ${others.length === 1 ? 'problem is' : 'problems are'} listed below.`;
    const listed = others.flatMap((one) => [one.message, ...(one.remedy ? [one.remedy] : []), ...one.output]);
    return {
        state: 'preflight',
        message: `A deploy would fail: ${message}${more}`,
        remedy,
        output: [...output, ...listed],
        appLogs: [],
        live: null,
        rollback: null,
    };
}
function requireWritable(state) {
    let there = state;
    while (!exists(there))
        there = (0,external_node_path_namespaceObject.dirname)(there);
    try {
        (0,external_node_fs_namespaceObject.accessSync)(there, external_node_fs_namespaceObject.constants.W_OK | external_node_fs_namespaceObject.constants.X_OK);
        return null;
    }
    catch {
        throw new DeployFailure(`This user may not write to ${there}, where the journal is.`, {
            remedy: `Give it to this user on the server: 'sudo chown -R <user> ${there}'.`,
        });
    }
}
/** The build needs directories that no other user can enter, on the mount of `path`. */
function requireOwnPlaces(places) {
    requirePrivate((0,external_node_path_namespaceObject.dirname)(places.state), places.state, places.beside);
    refuseApart(places);
    return null;
}
/** Gives the commit's full id, if it has one yet. */
async function lookAtCommit(context, git, live, see) {
    const { plan, gitIn, log } = context;
    const { ref, repository } = plan;
    if (plan.source.kind === 'upload') {
        inform(log, 'A check sends no files, so the ecosystem file of the upload is not looked at.');
        return null;
    }
    if (ref === null)
        throw new DeployFailure('The plan names no commit.');
    const { sha, text } = await findCommit(git, gitIn, { ref, rule: ruleOf(plan), repository }, context.access);
    inform(log, text);
    for (const change of live === null ? [] : await changesOfCommit(context, live, sha))
        inform(log, change);
    await lookInsideCommit(context, git, sha, see);
    return sha;
}
async function lookAtCheckout(context) {
    const { generated } = await readLive(context);
    const changes = await checkLive(context, generated);
    return changes.length === 0
        ? 'The checkout has no local changes.'
        : `A deploy saves these local changes first, and then replaces them (local-changes): ${changes.slice(0, 20).join(', ')}.`;
}
/** By the file that is live: what PM2 runs must fit it. */
async function lookAtApps(context) {
    const { places, plan, pm2, log } = context;
    try {
        const config = await readApps(context, treeOf(places), plan.deployId);
        const names = config.map(({ name }) => name);
        const { instances } = await readBaseline(pm2, names);
        for (const text of requireFit(context, config, instances, loadCurrent(places.state)))
            inform(log, text);
        return `The live ecosystem file names ${names.join(', ')}.`;
    }
    catch (error) {
        const current = loadCurrent(places.state);
        // Before the first deploy the live commit may have no such file, or no build yet.
        if (!(error instanceof DeployFailure) || current !== null)
            throw error;
        warn(log, `${error.message} The file of the new commit decides.`);
        return null;
    }
}

;// CONCATENATED MODULE: ./host/look/look.js













/** There is no run directory: whoever tries to write to it finds that out. */
const NOWHERE = '/dev/null';
/**
 * Carries out `check` or `status` within the session itself, without a file and without a process that outlives it:
 * nothing on the host is changed. Prints the same lines as a follower.
 */
function look({ nonce, plan }) {
    const print = printer(nonce);
    // If nobody reads the answer, there is no need for one.
    process.stdin.on('end', leave).on('error', leave).resume();
    setTimeout(leave, LEASE).unref();
    const redactor = createRedactor();
    redactor.hide(secretsOfPlan(plan));
    const log = printEvents(print, redactor);
    void lookAround(plan, log, redactor).then((result) => {
        log({ type: 'end', result });
        process.stdout.write('', leave);
    });
}
async function lookAround(plan, log, redactor) {
    const started = performance.now();
    const clock = createClock();
    let context = null;
    let end;
    try {
        log({ type: 'state', state: 'preflight', atMs: 0 });
        const isNew = plan.mode === 'check';
        context = await preflight({
            plan,
            runDir: NOWHERE,
            log,
            redactor,
            runner: standsAlone(),
            clock,
            env: process.env,
            home: (0,external_node_os_namespaceObject.homedir)(),
            isNew,
        });
        end = await (isNew ? check_check(context) : status_status(context));
    }
    catch (error) {
        end = { outcome: 'failed', sha: null, previousSha: null, failure: failureOf(error, 'preflight') };
    }
    const progress = { sha: null, entered: [{ state: 'preflight', atMs: 0 }] };
    return resultOf({ plan, end, context, progress, clock, started });
}

;// CONCATENATED MODULE: ./host/upload/object-list.js
const LINE = /^([0-9a-f]{40}) (\d{1,15})$/;
/** Reads the runner's list. Throws if it is none. */
function object_list_parseList(text) {
    const lines = text.split('\n');
    if (lines.pop() !== '')
        throw new Error('The list of an upload does not end with a line end.');
    return lines.map((line) => {
        const [, id, size] = LINE.exec(line) ?? [];
        if (id === undefined)
            throw new Error(`This is no line of an upload's list: ${line.slice(0, 80)}`);
        return { id, size: Number(size) };
    });
}
/** One bit for each object, set where it is not among those that are here. */
function lackingBits(listed, here) {
    const bits = Buffer.alloc(Math.ceil(listed.length / 8));
    listed.forEach(({ id }, index) => {
        if (!here.has(id))
            bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
    });
    return bits;
}

;// CONCATENATED MODULE: ./host/upload/stdin-bytes.js
/** The sender is gone before all had come. */
class CutShort extends Error {
}
/** `ahead` was read before. */
function bytesOf(stream, ahead) {
    const chunks = ahead.length === 0 ? [] : [ahead];
    let isOver = false;
    let wake = () => { };
    const onData = (chunk) => {
        chunks.push(chunk);
        stream.pause();
        wake();
    };
    const onEnd = () => {
        isOver = true;
        wake();
    };
    stream.on('data', onData).on('end', onEnd).on('error', onEnd);
    const more = async (patience) => {
        if (isOver)
            throw new CutShort();
        const silence = setTimeout(onEnd, patience);
        await new Promise((resolve) => {
            wake = resolve;
            stream.resume();
        });
        clearTimeout(silence);
    };
    const upTo = async (most, patience) => {
        for (;;) {
            const [first] = chunks;
            if (first === undefined)
                await more(patience);
            else if (first.length > most) {
                chunks[0] = first.subarray(most);
                return first.subarray(0, most);
            }
            else {
                chunks.shift();
                return first;
            }
        }
    };
    const length = async (patience) => {
        let bytes = Buffer.alloc(0);
        while (bytes.length < 4)
            bytes = Buffer.concat([bytes, await upTo(4 - bytes.length, patience)]);
        return bytes.readUInt32BE();
    };
    return {
        async *frames(patience) {
            for (;;) {
                let left = await length(patience);
                if (left === 0)
                    return;
                while (left > 0) {
                    const piece = await upTo(left, patience);
                    left -= piece.length;
                    yield piece;
                }
            }
        },
        leave() {
            stream.off('data', onData).off('end', onEnd).off('error', onEnd);
            stream.pause();
            return Buffer.concat(chunks);
        },
    };
}

;// CONCATENATED MODULE: ./host/upload/quarantine.js







/** As long as the pack comes, in milliseconds: whoever waits for the next piece of it has a limit of its own. */
const NO_LIMIT = 24 * 3_600_000;
/**
 * Has git read a pack while it arrives, in a repository of its own that borrows the objects which are here already. Git makes
 * every check that it has: a name such as `..` or `.git`, an entry that is there twice, or an object that is missing is refused,
 * with a `DeployFailure`. What is whole then waits for the deploy, pack and index; of all else nothing is left.
 */
async function keepPack(pieces, arriving) {
    const { uploads, deployId, env } = arriving;
    const part = partOf(uploads, deployId, process.pid);
    try {
        const git = quarantine_borrow(part, arriving.objects, env);
        const [pack, index] = [(0,external_node_path_namespaceObject.join)(part, 'pack'), (0,external_node_path_namespaceObject.join)(part, 'index')];
        let cut = null;
        const heard = async function* () {
            try {
                yield* pieces;
            }
            catch (error) {
                // Where git ends before it has read all, its own words count.
                if (!(error instanceof CutShort))
                    throw error;
                cut = error;
            }
        };
        const args = ['index-pack', '--strict', '--stdin', '-o', index, pack];
        const result = await git.attempt(args, { input: external_node_stream_namespaceObject.Readable.from(heard()) });
        if (cut !== null)
            throw cut;
        if (result.code !== 0)
            throw git.failure(result, 'Reading the upload');
        for (const file of [pack, index])
            (0,external_node_fs_namespaceObject.chmodSync)(file, 0o600);
        (0,external_node_fs_namespaceObject.renameSync)(index, indexFile(uploads, deployId));
        // Last: it says that the other one is there too.
        (0,external_node_fs_namespaceObject.renameSync)(pack, packFile(uploads, deployId));
    }
    finally {
        (0,external_node_fs_namespaceObject.rmSync)(part, { recursive: true, force: true });
    }
}
function quarantine_borrow(directory, objects, env) {
    (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.join)(directory, 'objects', 'info'), { recursive: true, mode: 0o700 });
    (0,external_node_fs_namespaceObject.mkdirSync)((0,external_node_path_namespaceObject.join)(directory, 'refs'), { mode: 0o700 });
    // All that git takes for a repository.
    (0,external_node_fs_namespaceObject.writeFileSync)((0,external_node_path_namespaceObject.join)(directory, 'HEAD'), 'ref: refs/heads/none\n');
    if (objects !== null)
        (0,external_node_fs_namespaceObject.writeFileSync)((0,external_node_path_namespaceObject.join)(directory, 'objects', 'info', 'alternates'), `${objects}\n`);
    const options = { clock: createClock(), timeLimit: NO_LIMIT, locks: new Set() };
    return gitIn(directory, { ...options, env: { ...env, GIT_DIR: directory } });
}

;// CONCATENATED MODULE: ./host/upload/receive.js

















/** Milliseconds for one look into the repository. */
const LOOK = 120_000;
/** The runner may take so long to read its files, in milliseconds. */
const GATHERING = 3_600_000;
/** Lines of what git printed that are told. */
const receive_SHOWN = 10;
/** What stays free on the disk, in KiB. */
const ROOM = 100 * 1024;
/**
 * Takes an upload within the session, in files of its own that wait for the deploy. Until all of it is here and whole, they lie
 * elsewhere; if the runner is gone before that, or silent for `LEASE`, they are removed. Nothing of the app is touched.
 */
function receive({ nonce, deliver, rest, next }) {
    const print = printer(nonce);
    const bytes = bytesOf(process.stdin, rest);
    void receive_take(deliver, bytes, print).then(() => {
        print('received');
        next(bytes.leave());
    }, (error) => {
        if (error instanceof CutShort)
            return leave();
        const { message, remedy, output } = failureOf(error, 'preflight');
        print(`refused ${JSON.stringify([message, remedy ?? '', ...output.slice(-receive_SHOWN)])}`, leave);
    });
}
async function receive_take({ deployId, path }, bytes, print) {
    const root = stateRoot(process.env, (0,external_node_os_namespaceObject.homedir)());
    const uploads = uploadsIn(root);
    makePrivate((0,external_node_path_namespaceObject.dirname)(uploads), uploads);
    sweepUploads(uploads, deployId);
    // In a partial clone, git would fetch what is asked for.
    const env = { ...sessionless(withNode(process.env, process.execPath)), GIT_NO_LAZY_FETCH: '1' };
    const [repository, free] = await Promise.all([
        receive_lookAt(resolvePath(path, (0,external_node_os_namespaceObject.homedir)()), env),
        freeSpace(uploads, env),
    ]);
    const listed = await readList(bytes);
    const here = repository === null ? new Set() : await presentIn(repository, listed);
    const lacking = listed.filter(({ id }) => !here.has(id));
    requireRoom(uploads, free, lacking);
    print(`lacks ${lackingBits(listed, here).toString('base64')}`);
    const objects = repository?.objects ?? null;
    if (lacking.length > 0)
        await keepPack(bytes.frames(LEASE), { uploads, deployId, objects, env });
}
async function readList(bytes) {
    const pieces = [];
    for await (const piece of bytes.frames(GATHERING))
        pieces.push(piece);
    return object_list_parseList(Buffer.concat(pieces).toString('latin1'));
}
/** The repository that the upload adds to; null if there is none yet. */
async function receive_lookAt(live, env) {
    const options = { clock: createClock(), env, timeLimit: LOOK, locks: new Set() };
    const git = gitIn(exists(live) ? live : '/', options);
    try {
        if (!exists(live) || (await inspectCheckout(live, git)) === 'absent') {
            await git.attempt(['--version']);
            return null;
        }
        const { stdout } = await git.attempt(['rev-parse', '--git-path', 'objects', '--show-object-format']);
        const [objects = '', format = ''] = stdout.split('\n');
        if (format !== 'sha256')
            return { git, objects: (0,external_node_path_namespaceObject.resolve)(live, objects) };
    }
    catch (error) {
        throw gitMissing(error, ' An upload is kept as a commit.') ?? error;
    }
    throw new DeployFailure(`The repository at ${live} uses SHA-256. An upload takes one that uses SHA-1.`, {
        remedy: 'Set path to an empty directory, or deploy with source: git.',
    });
}
/** What the repository has of an upload, whichever commit that came with. */
async function presentIn({ git }, listed) {
    const input = listed.map(({ id }) => `${id}\n`).join('');
    const { stdout } = await git.attempt(['cat-file', '--batch-check=%(objectname)'], { input });
    return new Set(stdout.split('\n').filter((line) => !line.includes(' ')));
}
/** `free` is in KiB; null if nobody knows. */
function requireRoom(directory, free, lacking) {
    const needed = lacking.reduce((sum, { size }) => sum + size, 0) / 1024;
    if (free === null || free > needed + ROOM)
        return;
    const [has, wants] = [free, needed + ROOM].map((kib) => Math.ceil(kib / 1024));
    throw new DeployFailure(`Only ${has} MiB are free on the disk of ${directory}, and the upload needs up to ${wants} MiB.`, {
        remedy: 'Free some space, or leave out more with upload-exclude, and run the job again.',
    });
}

;// CONCATENATED MODULE: ./host/main.js




















/** How long children that a killed program has left are waited for at least, in milliseconds. */
const LEFT_CHILDREN = 10 * 60_000;
/** States that the result tells; a deploy enters each once. */
const MOST_STATES = 40;
/**
 * The host program: `node host.js run <run directory>`, with the plan on stdin. It reads what the runner says from
 * the run directory and writes events there; it needs nobody to be there to end what it began. As `resume` it only ends
 * what a program that was killed has left there.
 */
async function main(command, runDir) {
    const started = performance.now();
    const isNew = command === 'run';
    const given = JSON.parse((0,external_node_fs_namespaceObject.readFileSync)(0, 'utf8'));
    const plan = isNew ? given : { ...given, lockTimeout: Math.max(given.lockTimeout, LEFT_CHILDREN) };
    const redactor = createRedactor();
    redactor.hide(secretsOfPlan(plan));
    const log = openEvents(runDir, redactor);
    const runner = isNew ? listen(runDir) : plan.waits ? hearsVerdict(runDir) : standsAlone();
    const progress = {
        state: 'preflight',
        entered: [],
        sha: null,
        migrated: false,
        enter(state) {
            progress.state = state;
            const atMs = Math.round(performance.now() - started);
            progress.entered.push({ state, atMs });
            progress.entered.splice(0, progress.entered.length - MOST_STATES);
            log({ type: 'state', state, atMs });
        },
    };
    let context = null;
    const clock = createClock();
    let end;
    try {
        if (isNew)
            progress.enter('preflight');
        if (plan.protocol !== PROTOCOL_VERSION)
            throw new Error(`protocol ${plan.protocol} is not ${PROTOCOL_VERSION}`);
        takeReserve(runDir);
        context = await preflight({
            plan,
            runDir,
            log,
            redactor,
            runner,
            clock,
            env: process.env,
            home: (0,external_node_os_namespaceObject.homedir)(),
            isNew,
        });
        end = await workOf(plan, isNew)(context, progress);
    }
    catch (error) {
        end = { outcome: 'failed', sha: null, previousSha: null, failure: failureOf(error, progress.state) };
    }
    const result = await resultOf({ plan, end, context, progress, clock, started });
    freeReserve(runDir);
    log({ type: 'end', result });
    runner.close();
    if (context !== null && context.locks.size > 0) {
        // The deploy has ended, and was reported: what cannot be removed now is tried again by the next one.
        if (plan.mode !== 'remove')
            await prune(context, plan.deployId).catch((error) => console.error(error));
        for (const lock of context.locks)
            lock.release();
    }
    sweepUploads(uploadsIn(stateRoot(process.env, (0,external_node_os_namespaceObject.homedir)())), plan.deployId);
    log.close();
    process.exit(0);
}
function workOf({ mode }, isNew) {
    if (mode === 'remove')
        return isNew ? removal_remove : resumeRemoval;
    return isNew ? deploy : resume;
}
// The bundle is also required as a module, to look and to take an upload.
const [, , command, runDir] = process.argv;
if ((command === 'run' || command === 'resume') && runDir !== undefined) {
    process.title = 'pm2-ssh-deploy';
    void main(command, runDir);
}

module.exports = __webpack_exports__;
/******/ })()
;