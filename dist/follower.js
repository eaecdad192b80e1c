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
  follow: () => (/* binding */ follow),
  rejoin: () => (/* binding */ rejoin)
});

;// CONCATENATED MODULE: external "node:fs"
const external_node_fs_namespaceObject = require("node:fs");
;// CONCATENATED MODULE: external "node:path"
const external_node_path_namespaceObject = require("node:path");
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
const STATES = (/* unused pure expression or super */ null && ([
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
]));
/** What the action was asked to do. `check` and `status` change nothing. */
const MODES = (/* unused pure expression or super */ null && (['deploy', 'rollback', 'check', 'status', 'remove']));
/** Whether nothing is changed on the host, so that nothing is left to be ended either. */
function looksOnly({ mode }) {
    return mode === 'check' || mode === 'status';
}
const OUTCOMES = (/* unused pure expression or super */ null && ([
    'deployed',
    'unchanged',
    'removed',
    'rolled-back',
    'rollback-failed',
    'failed',
]));
/** The commands of a deploy that the user may give, in the order in which they run. */
const STEPS = ['install', 'build', 'migrate', 'before-reload', 'after-reload'];
/** What the time of a deploy is spent on. */
const ACCOUNTS = ['lock', 'git', ...STEPS, 'canary', 'pm2', 'verify'];
/** What the two logs that PM2 keeps of an app are called. */
const STREAMS = (/* unused pure expression or super */ null && (['output', 'error']));
const NOTICE_LEVELS = (/* unused pure expression or super */ null && (['info', 'warning']));
/** What prints lines that are shown. */
const OUTPUT_SOURCES = [...STEPS, 'pm2'];
/** The runner sends a heartbeat this often, in milliseconds. */
const HEARTBEAT_EVERY = 10_000;
/** A host that has heard nothing from the runner for this long, in milliseconds, goes on as if it were gone. */
const LEASE = 120_000;

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

;// CONCATENATED MODULE: external "node:child_process"
const external_node_child_process_namespaceObject = require("node:child_process");
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
        for (const task of readdirSync(`/proc/${pid}/task`)) {
            const list = readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1');
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
    const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
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
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    }
    catch {
        return [];
    }
}
/** The variables that a process was started with; none where it is gone, or another user's. */
function environmentOf(pid) {
    try {
        const lines = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
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
        return readFileSync(`/proc/${pid}/maps`, 'utf8').match(/\/.+$/gm) ?? [];
    }
    catch {
        return [];
    }
}
function targetOf(link) {
    try {
        return readlinkSync(link);
    }
    catch {
        return null;
    }
}
function namesIn(directory) {
    try {
        return readdirSync(directory);
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
    const file = (0,external_node_path_namespaceObject.join)(runDir, FILE);
    (0,external_node_fs_namespaceObject.writeFileSync)(`${file}.new`, JSON.stringify(program), { mode: 0o600 });
    (0,external_node_fs_namespaceObject.renameSync)(`${file}.new`, file);
}
function loadProgram(runDir) {
    return JSON.parse((0,external_node_fs_namespaceObject.readFileSync)((0,external_node_path_namespaceObject.join)(runDir, FILE), 'utf8'));
}

;// CONCATENATED MODULE: ./host/program/program-log.js


const LINES = 20;
const TAIL = 16 * 1024;
/** Opens the file for what the host program prints, such as the reason for a crash. */
function openProgramLog(runDir) {
    return (0,external_node_fs_namespaceObject.openSync)(file(runDir), 'a', 0o600);
}
/** The last lines of that file. */
function programLog(runDir) {
    try {
        const text = (0,external_node_fs_namespaceObject.readFileSync)(file(runDir)).subarray(-TAIL).toString('utf8');
        return text
            .split('\n')
            .filter((line) => line !== '')
            .slice(-LINES);
    }
    catch {
        return [];
    }
}
const file = (runDir) => (0,external_node_path_namespaceObject.join)(runDir, 'stderr.log');

;// CONCATENATED MODULE: external "node:crypto"
const external_node_crypto_namespaceObject = require("node:crypto");
;// CONCATENATED MODULE: ./host/program/reserve.js



/** Enough for the events, the journal, and git's and PM2's files in a rollback. Several files, so that inodes are reserved too. */
const FILES = 16;
const SIZE = (/* unused pure expression or super */ null && (32 * 1024));
/** A disk without room for this many bytes is full. */
const LEAST = (/* unused pure expression or super */ null && (64 * 1024));
const reserve = (runDir) => (0,external_node_path_namespaceObject.join)(runDir, 'reserve');
/**
 * Reserves disk space for what a deploy has to write at its end, when the disk may be full. Throws if there is none.
 */
function takeReserve(runDir) {
    try {
        mkdirSync(reserve(runDir), { recursive: true, mode: 0o700 });
        for (let n = 0; n < FILES; n++)
            writeFileSync(join(reserve(runDir), String(n)), randomBytes(SIZE));
    }
    catch (error) {
        freeReserve(runDir);
        throw error;
    }
}
/** Frees the reserve if the disk is full. Returns whether it did. */
function makeRoom(runDir) {
    const probe = join(runDir, 'room');
    try {
        writeFileSync(probe, randomBytes(LEAST), { mode: 0o600 });
        return false;
    }
    catch {
        const had = existsSync(reserve(runDir));
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

;// CONCATENATED MODULE: external "node:os"
const external_node_os_namespaceObject = require("node:os");
;// CONCATENATED MODULE: ./host/program/start.js






/** Starts the host program as a process that outlives this one. Null if that failed at once. */
function startProgram({ runDir, programFile, plan }, command, onFailure) {
    const log = openProgramLog(runDir);
    const child = (0,external_node_child_process_namespaceObject.spawn)(process.execPath, [programFile, command, runDir], {
        cwd: (0,external_node_os_namespaceObject.homedir)(),
        detached: true,
        stdio: ['pipe', log, log],
    });
    (0,external_node_fs_namespaceObject.closeSync)(log);
    child.once('error', (error) => onFailure(error.message));
    const { pid } = child;
    if (pid === undefined)
        return null;
    const program = programOf(pid);
    // Before it gets its plan: nobody could follow an unrecorded program later, so none may begin.
    saveProgram(runDir, program);
    // If the program ended before it read its plan, its follower reports it as gone.
    child.stdin?.on('error', () => { });
    child.stdin?.end(JSON.stringify(plan));
    child.unref();
    return program;
}
/**
 * Starts the program once more if it is gone without a last event, so that it ends what it began. This happens once in a
 * deploy, whoever follows it. Null if it has happened already.
 */
function startAgain(options, onFailure) {
    const { runDir } = options;
    try {
        (0,external_node_fs_namespaceObject.closeSync)((0,external_node_fs_namespaceObject.openSync)((0,external_node_path_namespaceObject.join)(runDir, 'resumed'), 'wx', 0o600));
    }
    catch {
        return null;
    }
    dropTornEnd((0,external_node_path_namespaceObject.join)(runDir, 'events.ndjson'));
    return startProgram(options, 'resume', onFailure);
}
/** An event that was cut off does not count, and the next one must not continue it. */
function dropTornEnd(file) {
    const bytes = (0,external_node_fs_namespaceObject.readFileSync)(file);
    if (bytes.length > 0 && bytes[bytes.length - 1] !== 10)
        (0,external_node_fs_namespaceObject.truncateSync)(file, bytes.lastIndexOf(10) + 1);
}

;// CONCATENATED MODULE: ./host/program/follower.js









/** If the kernel reports no change, it is found within this time, in milliseconds. */
const POLL_EVERY = 200;
/** How long to wait for a program that another follower may be starting, in milliseconds. */
const STARTS_WITHIN = 1_000;
/**
 * Starts the host program as a process of its own, which outlives this one. Shows the runner what it does until it ends,
 * or the runner ends the session, or the runner is silent for `LEASE`. A program that is gone without a last event is
 * started once more, to end what it began. Prints lines of these forms:
 * `<nonce> started <pid>`, `<nonce> event <offset of its end> <json>`, `<nonce> gone <json array of its last log lines>`
 * and `<nonce> failed <json string>`.
 */
function follow(options) {
    const events = (0,external_node_path_namespaceObject.join)(options.runDir, 'events.ndjson');
    (0,external_node_fs_namespaceObject.closeSync)((0,external_node_fs_namespaceObject.openSync)(events, 'a', 0o600));
    const print = printer(options.nonce);
    const program = startProgram(options, 'run', failed(print));
    if (program === null)
        return;
    print(`started ${program.pid}`);
    listen(options.runDir, options.rest);
    show(options, program, print, 0);
}
/**
 * Follows a program of an earlier session from `offset` on, whether it still runs or not. Prints what `follow` prints, with
 * `joined` instead of `started`.
 */
function rejoin(options) {
    const print = printer(options.nonce);
    const program = loadProgram(options.runDir);
    // First: a cancel that came with the request must arrive, even if this session ends now.
    listen(options.runDir, options.rest);
    print(`joined ${program.pid}`);
    show(options, program, print, options.offset);
}
function failed(print) {
    return (reason) => print(`failed ${JSON.stringify(reason)}`, leave);
}
/** Passes on what the runner says, line by line. Every byte renews the lease. */
function listen(runDir, rest) {
    const control = (0,external_node_fs_namespaceObject.openSync)((0,external_node_path_namespaceObject.join)(runDir, 'control.ndjson'), 'a', 0o600);
    const append = (text) => {
        try {
            return (0,external_node_fs_namespaceObject.writeSync)(control, text) === Buffer.byteLength(text);
        }
        catch {
            return false;
        }
    };
    const toControl = byLine((line) => {
        if (!isJson(line) || append(`${line}\n`))
            return;
        // On a full disk a cancel needs the room more than later output. It must not continue a line that was cut off.
        freeReserve(runDir);
        append(`\n${line}\n`);
    });
    const lease = setTimeout(leave, LEASE);
    const take = (chunk) => {
        lease.refresh();
        toControl(chunk);
    };
    if (rest.length > 0)
        take(rest);
    process.stdin.on('data', take);
    process.stdin.on('end', leave);
    process.stdin.on('error', leave);
    process.stdin.resume();
}
function show(options, first, print, from) {
    const file = (0,external_node_path_namespaceObject.join)(options.runDir, 'events.ndjson');
    const events = (0,external_node_fs_namespaceObject.openSync)(file, 'r');
    let program = first;
    let ended = false;
    let position = from;
    /** How long to wait for another follower to start the program. Our own start needs no waiting. */
    let deadline = null;
    const catchUp = () => {
        const bytes = readFrom(events, position);
        let start = 0;
        // A line without an end is read again later. It may never get one.
        for (let at = bytes.indexOf(10); at >= 0 && !ended; at = bytes.indexOf(10, start)) {
            const line = bytes.toString('utf8', start, at);
            start = at + 1;
            ended = isEnd(line);
            print(`event ${position + start} ${line}`, ended ? leave : undefined);
        }
        position += start;
    };
    const look = () => {
        // Ask this first: then everything that the program wrote before its end can be read.
        const alive = stillRuns(program);
        catchUp();
        if (alive || ended)
            return;
        const again = startAgain(options, failed(print));
        deadline ??= again === null ? performance.now() + STARTS_WITHIN : 0;
        program = again ?? loadProgram(options.runDir);
        if (again !== null || stillRuns(program) || performance.now() < deadline)
            return;
        ended = true;
        print(`gone ${JSON.stringify(programLog(options.runDir))}`, leave);
    };
    setInterval(look, POLL_EVERY);
    onChange(file, catchUp);
    look();
}
function readFrom(descriptor, position) {
    const bytes = Buffer.alloc(Math.max(0, (0,external_node_fs_namespaceObject.fstatSync)(descriptor).size - position));
    return bytes.subarray(0, (0,external_node_fs_namespaceObject.readSync)(descriptor, bytes, 0, bytes.length, position));
}
/** Quick but not reliable: the kernel may have no watch left, and some filesystems have none. */
function onChange(file, listener) {
    let watcher;
    try {
        watcher = (0,external_node_fs_namespaceObject.watch)(file, listener);
    }
    catch {
        return;
    }
    watcher.on('error', () => watcher.close());
}
/** Calls back with each whole line of a stream. */
function byLine(onLine) {
    let rest = [];
    return (chunk) => {
        let from = 0;
        for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
            const line = Buffer.concat([...rest, chunk.subarray(from, at)]);
            rest = [];
            from = at + 1;
            onLine(line.toString('utf8'));
        }
        if (from < chunk.length)
            rest.push(chunk.subarray(from));
    };
}
function isEnd(line) {
    try {
        return JSON.parse(line)?.type === 'end';
    }
    catch {
        return false;
    }
}

module.exports = __webpack_exports__;
/******/ })()
;