export function ownTexts(): Record<string, string>;
export function packagesOf(files: readonly string[]): string[];
export function completed(gathered: string, packages: readonly string[], own: Record<string, string>): string;
export function hasText(licenses: string, name: string): boolean;
