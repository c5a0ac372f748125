// The secrets of a Supabase project as `postern init` writes them for wrangler: those that its environment has, and what to write in the
// place of the others.
import { createHash } from "node:crypto";

export interface ProjectSecrets {
	readonly jwtSecret: string | undefined;
	/** `anon` as a JWT, or `sb_publishable_…`. */
	readonly publicKey: string | undefined;
}

const NAMES = ["JWT_SECRET", "PUBLISHABLE_KEY", "ANON_KEY"] as const;

/** @throws {Error} naming a variable with a value that the file cannot hold */
export function secretsIn(
	environment: Readonly<Record<string, string | undefined>>,
): ProjectSecrets {
	const unfit = NAMES.find((name) => /['\n]/.test(environment[name] ?? ""));
	if (unfit !== undefined)
		throw new Error(`${unfit} has an apostrophe or a line feed.`);
	const [jwtSecret, publishableKey, anonKey] = NAMES.map(
		(name) => environment[name] || undefined,
	);
	return { jwtSecret, publicKey: publishableKey ?? anonKey };
}

/** @returns .dev.vars */
export function secretsOf(
	supabase: string,
	{
		jwtSecret = "the JWT secret of the project",
		publicKey = "its key anon, or sb_publishable_",
	}: ProjectSecrets,
): string {
	// A legacy key is a token that the secret signed. A new one is compared with its hash.
	const isHashed = /^sb_publishable_./.test(publicKey);
	const issuer = {
		supabase,
		secret: jwtSecret,
		...(isHashed ? { publishableKeys: [sha256(publicKey)] } : {}),
	};
	return `ORIGIN_JWT_SECRET='${jwtSecret}'
ORIGIN_API_KEY='${publicKey}'
ISSUERS='${JSON.stringify([issuer])}'
`;
}

function sha256(text: string): string {
	return createHash("sha256").update(text).digest("hex");
}
