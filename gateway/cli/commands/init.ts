// `postern init`: makes the Worker's files in this folder, from options or by asking at a terminal.
import { createInterface } from "node:readline";
import { type Command, InvalidArgumentError } from "commander";
import { feedVariables } from "../../src/settings/feed-settings.ts";
import { encryptedUrl } from "../../src/settings/variables.ts";
import { type InitAnswers, init, QUESTIONS } from "../init.ts";
import { secretsIn } from "../init-secrets.ts";
import { by } from "../options.ts";

interface Options extends Partial<InitAnswers> {
	supabase?: string;
	worker?: true;
	force?: true;
}

/** By the Worker's own rules. */
const RULES: Readonly<Record<keyof InitAnswers, (text: string) => string>> = {
	name: (text) => {
		if (/^[a-z\d](?:[a-z\d-]{0,52}[a-z\d])?$/.test(text)) return text;
		throw new InvalidArgumentError(
			"It has to be up to 54 lower-case letters, digits and dashes.",
		);
	},
	origin: by(feedVariables.shape.ORIGIN_URL),
	schemas: by(feedVariables.shape.DB_SCHEMAS),
};

export function addInit(postern: Command): void {
	postern
		.command("init")
		.description(
			"write the Worker's files into this folder, and print what to do next; asks at a terminal for what no option says; takes a Supabase project's secrets from JWT_SECRET and PUBLISHABLE_KEY or ANON_KEY",
		)
		.option("--name <name>", "name of the Worker", RULES.name)
		.option("--origin <url>", "PostgREST's address", RULES.origin)
		.option(
			"--schemas <names>",
			"PostgREST's db-schemas without postern, separated by commas",
			RULES.schemas,
		)
		.option(
			"--supabase <url>",
			"a Supabase project whose users call (without --origin: its own PostgREST is meant)",
			by(encryptedUrl),
		)
		.option(
			"--worker",
			"also src/index.ts and tsconfig.json, for routes of your own (without: the package's Worker is deployed)",
		)
		.option("--force", "replace files that are there already")
		.action(async ({ supabase: url, worker, force, ...given }: Options) => {
			const supabase =
				url === undefined
					? undefined
					: { url, isOrigin: given.origin === undefined };
			const answers = await complete(
				supabase?.isOrigin ? { ...ofSupabase(supabase.url), ...given } : given,
			);
			console.log(
				await init({
					folder: process.cwd(),
					answers,
					supabase,
					secrets: secretsIn(process.env),
					withWorker: worker ?? false,
					force: force ?? false,
				}),
			);
		});
}

function ofSupabase(url: string): Partial<InitAnswers> {
	return {
		origin: `${url.replace(/\/$/, "")}/rest/v1`,
		schemas: "public,graphql_public",
	};
}

/** Without a terminal, the defaults. */
async function complete(given: Partial<InitAnswers>): Promise<InitAnswers> {
	const isAtTerminal = process.stdin.isTTY && process.stdout.isTTY;
	const terminal = isAtTerminal
		? createInterface(process.stdin, process.stdout)
		: undefined;
	try {
		// It keeps lines that come before they are asked for.
		const lines = terminal?.[Symbol.asyncIterator]();
		const answerTo = async (name: keyof InitAnswers): Promise<string> => {
			const { text, usual } = QUESTIONS[name];
			if (terminal === undefined || lines === undefined) return usual;
			terminal.setPrompt(`${text} (${usual}): `);
			for (;;) {
				terminal.prompt();
				const { value, done } = await lines.next();
				if (done) throw new Error("There is no answer, so nothing is written.");
				try {
					return RULES[name](value.trim() || usual);
				} catch (error) {
					if (!(error instanceof InvalidArgumentError)) throw error;
					console.error(error.message);
				}
			}
		};
		return {
			name: given.name ?? (await answerTo("name")),
			origin: given.origin ?? (await answerTo("origin")),
			schemas: given.schemas ?? (await answerTo("schemas")),
		};
	} finally {
		terminal?.close();
	}
}
