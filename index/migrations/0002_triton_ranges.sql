-- How each name of Triton's is used, and what else ties a kernel to its releases.

ALTER TABLE kernel_rows ALTER COLUMN uses
SET DATA TYPE STRUCT(
    "name" VARCHAR, keywords VARCHAR[], is_call BOOLEAN, guards VARCHAR[],
    kind VARCHAR, args VARCHAR[], unpacked INTEGER
)[]
USING list_transform(uses, lambda u: struct_pack(
    "name" := u.name, keywords := u.keywords, is_call := u.is_call, guards := u.guards,
    kind := 'name', args := NULL::VARCHAR[], unpacked := 0
));

ALTER TABLE kernel_rows ADD COLUMN needs STRUCT(
    "name" VARCHAR, keywords VARCHAR[], is_call BOOLEAN, guards VARCHAR[],
    kind VARCHAR, args VARCHAR[], unpacked INTEGER
)[] DEFAULT [];
ALTER TABLE kernel_rows ALTER COLUMN needs SET NOT NULL;
