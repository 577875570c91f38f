-- Events about a customer itself are found by their object.
CREATE INDEX event_of_customer ON event (customer_id, created)
    WHERE customer_id IS NOT NULL AND customer_id IS DISTINCT FROM object_id;
DROP INDEX event_by_customer;
