// Where the stack of the current directory keeps what survives a restart, and which system user may enter there.
import { createHash } from "node:crypto";
import { mkdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Where root's stack keeps what Postgres's user must reach and cannot reach below the current directory. */
export const ROOT_STATE = "/var/lib/postern";

export interface SystemUser {
	uid: number;
	gid: number;
}

/**
 * Postgres refuses to run as root: then it runs as `postgres`, where the machine has that user, or else as `nobody`.
 * @returns undefined where this process is not root's
 */
export async function systemUser(): Promise<SystemUser | undefined> {
	if (process.getuid?.() !== 0) return undefined;
	const accounts = (await readFile("/etc/passwd", "utf8"))
		.split("\n")
		.map((line) => line.split(":"));
	for (const name of ["postgres", "nobody"]) {
		const account = accounts.find(([user]) => user === name);
		if (account !== undefined)
			return { uid: Number(account[2]), gid: Number(account[3]) };
	}
	throw new Error(
		"Postgres does not run as root, and this machine has neither a user postgres nor a user nobody.",
	);
}

/** The folder for the stack's state: `.postern` in the current directory, unless root's Postgres could not enter there. */
export async function stateDirectory(): Promise<string> {
	const folder = process.cwd();
	const user = await systemUser();
	if (user === undefined || (await mayEnter(user, folder)))
		return makeDirectory(join(folder, ".postern"));
	return makeDirectory(join(await makeDirectory(ROOT_STATE), hash(folder)));
}

/** @returns whether the user may pass through every folder down to this one */
export async function mayEnter(
	{ uid, gid }: SystemUser,
	folder: string,
): Promise<boolean> {
	const { mode, uid: owner, gid: group } = await stat(folder);
	const executeBit = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001;
	if ((mode & executeBit) === 0) return false;
	const parent = dirname(folder);
	return parent === folder || mayEnter({ uid, gid }, parent);
}

export async function makeDirectory(path: string): Promise<string> {
	await mkdir(path, { recursive: true, mode: 0o755 });
	return path;
}

export async function exists(path: string): Promise<boolean> {
	return stat(path).then(
		() => true,
		() => false,
	);
}

/** A short name for a path. */
export function hash(text: string): string {
	return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
