// The smallest HTTP server around another mirror, as its documentation advises: the raw body and the signature go to
// processWebhook, and the answer follows when the row is written. Prints its port when the tables are there; ends on SIGTERM.
//
//   DATABASE_URL=postgres://… STRIPE_WEBHOOK_SECRET=whsec_… node host.mjs
//
// Rows outlive the process, so each measurement begins with a database that its role has just created.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { StripeSync, runMigrations } = require('@supabase/stripe-sync-engine');

const databaseUrl = process.env.DATABASE_URL;
// Its migrations know no other name.
const schema = 'stripe';
await migrate();

const mirror = new StripeSync({
  // Its default is 10. With 16 no request of the bench's smaller run waits for a connection.
  poolConfig: { connectionString: databaseUrl, max: 16 },
  schema,
  stripeSecretKey: 'sk_test_never_used',
  stripeWebhookSecret: process.env.STRIPE_WEBHOOK_SECRET,
  // Nothing is asked of Stripe: what the event says is what is written.
  autoExpandLists: false,
  backfillRelatedEntities: false,
  revalidateObjectsViaStripeApi: [],
});

const server = createServer(async (request, response) => {
  if (request.method !== 'POST' || request.url !== '/webhooks/stripe') return response.writeHead(404).end();
  try {
    const parts = [];
    for await (const part of request) parts.push(part);
    await mirror.processWebhook(Buffer.concat(parts), request.headers['stripe-signature']);
    response.writeHead(200, { 'Content-Length': 8 }).end('applied\n');
  } catch (error) {
    response.writeHead(error.type === 'StripeSignatureVerificationError' ? 400 : 500).end(`${error.message}\n`);
  }
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.on('SIGTERM', async () => {
  server.close();
  server.closeAllConnections();
  await mirror.postgresClient.pool.end();
});

/** A migration gives a function to the role `postgres`, which only that role may do. And it only logs one that fails. */
async function migrate() {
  const { Client } = createRequire(require.resolve('@supabase/stripe-sync-engine'))('pg');
  const { query } = Client.prototype;
  Client.prototype.query = function (text, ...rest) {
    const kept = typeof text === 'string' ? text.replace('owner to postgres;', 'owner to current_user;') : text;
    return query.call(this, kept, ...rest);
  };
  const failed = (error) => {
    throw error;
  };
  await runMigrations({ databaseUrl, schema, logger: { info() {}, error: failed } });
  Client.prototype.query = query;
}
