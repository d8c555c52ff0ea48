-- Whether a failed compile tells of the kernel, not of arguments that were guessed for it.

ALTER TABLE compilations ADD COLUMN is_certain BOOLEAN DEFAULT true;

UPDATE compilations SET outcome = 'failed', is_certain = false WHERE outcome = 'unknown';
