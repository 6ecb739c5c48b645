'1%{rules}' || left(TG_OP, 1)
                || lpad((date_part('epoch', statement_timestamp()) * 1000000)::bigint::text, 16, '0')
