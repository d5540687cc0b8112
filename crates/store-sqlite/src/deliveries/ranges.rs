//! The rows of the queue. Each is a range of consecutively accepted documents of one institution. A request of a
//! hundred documents is one row; finished documents are cut out of it.

use rusqlite::{Connection, params};
use seoham_model::InstitutionId;

use crate::columns::Id;

/// Queues the documents from `first_no` to `last_no`.
pub(crate) fn add(
    connection: &Connection,
    institution: InstitutionId,
    first_no: i64,
    last_no: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO delivery_ranges (institution_id, first_no, last_no) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![Id(institution), first_no, last_no])?;
    Ok(())
}

/// Removes the documents from `first_no` to `last_no` from the queue. Returns how many of them were queued.
pub(crate) fn take_out(
    connection: &Connection,
    institution: InstitutionId,
    first_no: i64,
    last_no: i64,
) -> rusqlite::Result<i64> {
    let mut taken = 0;
    for (from, to) in overlapping(connection, institution, first_no, last_no)? {
        connection
            .prepare_cached("DELETE FROM delivery_ranges WHERE institution_id = ?1 AND first_no = ?2")?
            .execute(params![Id(institution), from])?;
        if from < first_no {
            add(connection, institution, from, first_no - 1)?;
        }
        if to > last_no {
            add(connection, institution, last_no + 1, to)?;
        }
        taken += to.min(last_no) - from.max(first_no) + 1;
    }
    Ok(taken)
}

fn overlapping(
    connection: &Connection,
    institution: InstitutionId,
    first_no: i64,
    last_no: i64,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    // The last row that starts before the range, and the rows that start within it.
    let mut statement = connection.prepare_cached(
        "SELECT first_no, last_no FROM delivery_ranges
         WHERE institution_id = ?1 AND first_no <= ?3 AND first_no >= coalesce(
           (SELECT max(first_no) FROM delivery_ranges WHERE institution_id = ?1 AND first_no <= ?2), ?2)",
    )?;
    let rows = statement
        .query_map(params![Id(institution), first_no, last_no], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.filter(|row| row.as_ref().map_or(true, |(_, to): &(i64, i64)| *to >= first_no)).collect()
}

/// Sorts `numbers` and returns the runs of consecutive numbers in it.
pub(super) fn runs(numbers: &mut [i64]) -> impl Iterator<Item = (i64, i64)> + '_ {
    numbers.sort_unstable();
    numbers.chunk_by(|a, b| b - a <= 1).filter_map(|run| Some((*run.first()?, *run.last()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seoham_model::Clock;

    fn queue() -> Connection {
        let mut connection = Connection::open_in_memory().expect("SQLite");
        crate::migrations::runner().run(&mut connection).expect("the schema");
        connection
    }

    fn rows(connection: &Connection) -> Vec<(i64, i64)> {
        let mut all =
            connection.prepare("SELECT first_no, last_no FROM delivery_ranges ORDER BY first_no").unwrap();
        all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn what_is_taken_out_is_cut_out() {
        let connection = queue();
        let (own, other) =
            (InstitutionId::generate(&Clock::default()), InstitutionId::generate(&Clock::default()));
        for (first, last) in [(1, 100), (101, 200), (301, 400)] {
            add(&connection, own, first, last).unwrap();
        }
        assert_eq!(take_out(&connection, other, 1, 400).unwrap(), 0, "another institution's");
        assert_eq!(take_out(&connection, own, 201, 300).unwrap(), 0, "between two rows");
        assert_eq!(take_out(&connection, own, 50, 50).unwrap(), 1);
        assert_eq!(rows(&connection), [(1, 49), (51, 100), (101, 200), (301, 400)]);
        assert_eq!(take_out(&connection, own, 50, 50).unwrap(), 0, "it is gone already");
        assert_eq!(take_out(&connection, own, 40, 310).unwrap(), 10 + 50 + 100 + 10);
        assert_eq!(rows(&connection), [(1, 39), (311, 400)]);
        assert_eq!(take_out(&connection, own, 1, 39).unwrap(), 39);
        assert_eq!(take_out(&connection, own, 0, 1_000).unwrap(), 90);
        assert_eq!(rows(&connection), []);
    }

    #[test]
    fn runs_are_found_in_any_order() {
        assert_eq!(runs(&mut [7, 3, 1, 2, 9, 8]).collect::<Vec<_>>(), [(1, 3), (7, 9)]);
        assert_eq!(runs(&mut []).count(), 0);
    }
}
