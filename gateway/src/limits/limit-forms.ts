// What a request to PostgREST may ask by its caller's role: exact counts, query plans, the OpenAPI document, answers that are newer
// than the cache's; and how deep it may embed. Stands before the cache, for clients' requests and for those of resource routes.
import { Refusal } from "../http/refusals.ts";
import { GATEWAY, type Identity, isAmong } from "../identity/identity.ts";
import {
	isRead,
	type Pipeline,
	type PipelineRequest,
	pathIn,
} from "../pipeline.ts";
import type { Config } from "../settings/settings.ts";

const EXACT_COUNT = /(?:^|,)\s*count=exact\s*(?:,|$)/;
const QUERY_PLAN = /application\/vnd\.pgrst\.plan/i;

type Asked = Pick<PipelineRequest, "method" | "url" | "headers">;

/** Forms that not every caller may ask for, each with the setting that names the roles. */
const FORMS: readonly {
	readonly roles: Exclude<keyof Config["formRoles"], "noCache">;
	readonly setting: string;
	isAskedIn(request: Asked): boolean;
}[] = [
	{
		roles: "exactCount",
		setting: "EXACT_COUNT_ROLES",
		isAskedIn: ({ headers }) => EXACT_COUNT.test(headers.get("prefer") ?? ""),
	},
	{
		roles: "queryPlan",
		setting: "QUERY_PLAN_ROLES",
		isAskedIn: ({ headers }) => QUERY_PLAN.test(headers.get("accept") ?? ""),
	},
	{
		roles: "openapi",
		setting: "OPENAPI_ROLES",
		isAskedIn: ({ method, url }) => pathIn(url) === "/" && isRead(method),
	},
];

/** Directives that ask for no newer answer than the cache has. */
const HONOURED = /^(?:only-if-cached|max-stale|stale-if-error)\b/i;

export function limitForms(
	pipeline: Pipeline,
	{ formRoles: roles, sizeLimits }: Pick<Config, "formRoles" | "sizeLimits">,
): Pipeline {
	const maxEmbedDepth = sizeLimits.embedDepth;
	return async (request, identity) => {
		if (identity.role === GATEWAY.role) return pipeline(request, identity);
		for (const form of FORMS)
			if (form.isAskedIn(request))
				requireRole(identity, roles[form.roles], form.setting);
		if (deepestEmbed(request.url) > maxEmbedDepth)
			throw new Refusal("embed_too_deep", {
				details: `the limit is ${maxEmbedDepth}`,
			});
		if (!isAmong(identity, roles.noCache)) takeAnswersOfCache(request.headers);
		return pipeline(request, identity);
	};
}

/** Whether the read asks what not every caller may ask, or embeds too deep. */
export function asksLimitedForm(
	request: Asked,
	maxEmbedDepth: number,
): boolean {
	return (
		FORMS.some((form) => form.isAskedIn(request)) ||
		deepestEmbed(request.url) > maxEmbedDepth
	);
}

function requireRole(
	identity: Identity,
	roles: readonly string[],
	setting: string,
): void {
	if (!isAmong(identity, roles))
		throw new Refusal("denied", {
			details: `that is for the roles that ${setting} names`,
		});
}

/** Leaves out what asks for a newer answer. Such an answer is still no older than the maximum staleness, and covers the request's consistency tokens. */
function takeAnswersOfCache(headers: Headers): void {
	headers.delete("pragma");
	const directives = headers.get("cache-control");
	if (directives === null) return;
	const honoured = directives
		.split(",")
		.map((directive) => directive.trim())
		.filter((directive) => HONOURED.test(directive));
	if (honoured.length === 0) headers.delete("cache-control");
	else headers.set("cache-control", honoured.join(", "));
}

function deepestEmbed(url: string): number {
	if (!/\(|%28/.test(url)) return 0;
	const selects = new URL(url).searchParams.getAll("select");
	return Math.max(0, ...selects.map(depthOf));
}

/** How deep the parentheses are nested, but for those in a quoted name. */
function depthOf(select: string): number {
	let depth = 0;
	let deepest = 0;
	let isQuoted = false;
	for (const character of select) {
		if (character === '"') isQuoted = !isQuoted;
		else if (isQuoted) continue;
		else if (character === "(") deepest = Math.max(deepest, ++depth);
		else if (character === ")") depth--;
	}
	return deepest;
}
