-- Events about a customer itself are found by their object.
DROP INDEX event_by_customer;
CREATE INDEX event_by_customer ON event (customer_id, created)
    WHERE customer_id IS NOT NULL AND customer_id IS DISTINCT FROM object_id;
