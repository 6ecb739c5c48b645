SELECT * FROM notifychannel.turn(
    $1::integer, $2::text[], $3::bigint[], $4::text[], $5::text[],
    array_fill(0::double precision, ARRAY[cardinality($2::text[])]), $6::integer, $7::text, $8::double precision
)
