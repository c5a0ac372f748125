// Checks whether the tests were run with the majors of PostgreSQL and PostgREST. With others the Worker caches nothing, unless its
// settings say otherwise.
import { z } from "zod";
import {
	postgrestMajor,
	testedMajors,
	untestedReason,
} from "../../src/feed/versions.ts";
import { operator, type Report } from "./finding.ts";

interface VersionsContext {
	readonly cachesUntestedVersions: boolean;
}

/** What `postern.status()` says. */
const status = z
	.object({ postgres: z.int().optional(), application: z.string().optional() })
	.catch({});

/** @param answer of `postern.status()`; one of 0.1.0 does not say */
export function checkPostgres(
	answer: unknown,
	context: VersionsContext,
	report: Report,
): void {
	check("PostgreSQL", status.parse(answer).postgres, context, report);
}

/** @param answer of `postern.status()`, by way of PostgREST */
export function checkPostgrest(
	answer: unknown,
	headers: Headers,
	context: VersionsContext,
	report: Report,
): void {
	const { application } = status.parse(answer);
	const major = postgrestMajor(headers.get("server"), application);
	check("PostgREST", major, context, report);
}

function check(
	program: Parameters<typeof untestedReason>[0],
	major: number | undefined,
	{ cachesUntestedVersions }: VersionsContext,
	report: Report,
): void {
	const reason = untestedReason(program, major);
	if (reason === undefined) return;
	const use = `use ${program} ${testedMajors(program)}`;
	if (cachesUntestedVersions) report.addNote("versions", reason, operator(use));
	else
		report.addWrong(
			"versions",
			`Nothing is cached: ${reason}`,
			operator(`${use}, or set CACHE_UNTESTED_VERSIONS='on'`),
		);
}
