interface Lock {
  packages: Record<string, object>;
}

export function isInstalled(
  wanted: Lock,
  installed: Lock,
  platform?: { os: string; cpu: string; libc: string | undefined },
): boolean;
export function install(directory: string, pause?: number): void;
