-- Rows of the queue change one by one, by their key. A join of the queue with the rows to change may be planned as a
-- comparison of each with each, because the queue is usually nearly empty when it is planned.
CREATE FUNCTION lease_delivery(institution uuid, parcel uuid, first smallint, kept bytea, by_ticket bigint,
  until timestamptz) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
  UPDATE deliveries SET ticket = by_ticket, leased_until = until, positions = kept
  WHERE institution_id = institution AND parcel_id = parcel AND first_position = first;
END $$;
-- Without positions that are kept, the row is deleted.
CREATE FUNCTION cut_delivery(institution uuid, parcel uuid, first smallint, kept bytea) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
  IF kept IS NULL THEN
    DELETE FROM deliveries
    WHERE institution_id = institution AND parcel_id = parcel AND first_position = first;
  ELSE
    UPDATE deliveries SET positions = kept
    WHERE institution_id = institution AND parcel_id = parcel AND first_position = first;
  END IF;
END $$;
