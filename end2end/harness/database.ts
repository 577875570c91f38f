// Billhook's SQLite file, read beside the running program. Only what issue and manual promise is looked at: the tables
// `customer` and `event`, for expired sign-ins the one column that holds the deadline,
// and the allowances.

import { DatabaseSync } from '@photostructure/sqlite';
import { stack } from './stack.ts';
import { until } from './until.ts';

export interface CustomerRow {
  id: string;
  email: string | null;
  name: string | null;
  description: string | null;
  deleted_at: number | null;
}

export interface EventRow {
  id: string;
  type: string;
  state: string;
  attempts: number;
  error: string | null;
}

type Database = InstanceType<typeof DatabaseSync>;

let open: Database | undefined;
function database(): Database {
  open ??= new DatabaseSync(stack().database, { readOnly: true, timeout: 5_000 });
  return open;
}

function rows<Row>(sql: string, ...values: (string | number)[]): Row[] {
  return database()
    .prepare(sql)
    .all(...values) as Row[];
}

export function customerRow(id: string): CustomerRow | undefined {
  return rows<CustomerRow>('SELECT id, email, name, description, deleted_at FROM customer WHERE id = ?', id)[0];
}

export function customerIds(): Set<string> {
  return new Set(rows<{ id: string }>('SELECT id FROM customer').map(({ id }) => id));
}

/** Customers under an address, however that is written. */
export function customersOf(address: string): string[] {
  const sql = 'SELECT id FROM customer WHERE email_normalised = ? AND deleted_at IS NULL';
  return rows<{ id: string }>(sql, address.trim().toLowerCase()).map(({ id }) => id);
}

export function eventRow(id: string): EventRow | undefined {
  return rows<EventRow>('SELECT id, type, state, attempts, error FROM event WHERE id = ?', id)[0];
}

/** Waits until Billhook's row of the customer is as wanted. */
export function customerInBillhook(
  id: string,
  wanted: (row: CustomerRow) => boolean = () => true,
): Promise<CustomerRow> {
  return until(`Billhook's row of ${id}`, () => {
    const row = customerRow(id);
    return row !== undefined && wanted(row) ? row : undefined;
  });
}

/** Every text that stands in any table, as a dump would show it. */
export function everyText(): string[] {
  const tables = rows<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'");
  return tables.flatMap(({ name }) =>
    rows<Record<string, unknown>>(`SELECT * FROM "${name}"`).map((row) =>
      Object.values(row)
        .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)))
        .join('\n'),
    ),
  );
}

/** Gives every address its mails back, for those that many tests sign in with. */
export function forgetAllowances(): void {
  const writer = new DatabaseSync(stack().database, { timeout: 5_000 });
  try {
    writer.exec('DELETE FROM allowance');
  } finally {
    writer.close();
  }
}

/** Puts the deadline of every open sign-in of the address into the past. */
export function expireSignIns(address: string): number {
  const writer = new DatabaseSync(stack().database, { timeout: 5_000 });
  try {
    const made = writer.prepare('UPDATE sign_in SET expires_at = 1 WHERE email = ?').run(address);
    return Number(made.changes);
  } finally {
    writer.close();
  }
}
