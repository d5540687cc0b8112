-- The name of what it is: how far the box index is flushed.
UPDATE deployment SET name = 'flushed_to' WHERE name = 'filed_to';
