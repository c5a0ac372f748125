// The npm packages that the stack runs. They belong to the application: they are looked up from the current directory.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/**
 * Finds a file of a package.
 * @throws {Error} one line that says how to install the package
 */
export function resolvePackage(name: string, file = ""): string {
	try {
		return resolveFrom(join(process.cwd(), "package.json"), join(name, file));
	} catch {
		throw new Error(missing([name]));
	}
}

/** Finds a package that another one depends on. */
export function resolveFrom(file: string, specifier: string): string {
	return createRequire(file).resolve(specifier);
}

/** @throws {Error} one line that names all of these packages that are missing */
export function requirePackages(names: readonly string[]): void {
	const absent = names.filter((name) => !isInstalled(name));
	if (absent.length > 0) throw new Error(missing(absent));
}

export function isInstalled(name: string): boolean {
	const { paths } = createRequire(join(process.cwd(), "package.json")).resolve;
	return (paths(name) ?? []).some((folder) =>
		existsSync(join(folder, name, "package.json")),
	);
}

function missing(names: readonly string[]): string {
	const list = names.join(" ");
	return `${process.cwd()} has no ${names.join(", no ")}: npm install --save-dev ${list}`;
}
