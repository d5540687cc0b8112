//! Plans of statements, as `auto_explain` logs them: which of them read a table from one end to the other.

/// A plan that reads a whole table or index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// What is read.
    pub table: String,
    /// The statement, without its line breaks.
    pub statement: String,
}

/// Whether the server logged plans for an application in `database`: without any, nothing was looked at.
pub fn has_plans(log: &str, application: &str, database: &str) -> bool {
    messages(log, application, database).next().is_some()
}

/// The scans of whole tables among the plans that the server logged for an application in `database`, with a prefix of
/// `@@%a@%d `. What ends with a LIMIT, and what has a condition on an index, is none: a range is not found, and neither is a
/// filter that lets little through to its LIMIT.
pub fn whole_scans(log: &str, application: &str, database: &str) -> Vec<Scan> {
    messages(log, application, database).flat_map(scans_of).collect()
}

/// The messages with a plan.
fn messages<'a>(log: &'a str, application: &str, database: &str) -> impl Iterator<Item = &'a str> {
    let prefix = format!("{application}@{database} ");
    let of_database = log.split("@@").filter(move |message| message.starts_with(&prefix));
    of_database.filter(|message| message.contains(" plan:"))
}

/// A node of a plan.
struct Node<'a> {
    depth: usize,
    name: &'a str,
    /// The table that it reads as a whole, as far as the lines have been read.
    whole: Option<&'a str>,
    is_limited: bool,
}

fn scans_of(message: &str) -> Vec<Scan> {
    let (statement, plan) = split(message);
    let (mut above, mut ended): (Vec<Node<'_>>, Vec<Node<'_>>) = (Vec::new(), Vec::new());
    for line in plan {
        let depth = line.len() - line.trim_start().len();
        if let Some(name) = name(line) {
            let sides = above.iter().rposition(|node| node.depth < depth).map_or(0, |parent| parent + 1);
            ended.extend(above.drain(sides..));
            let is_limited = above.last().is_some_and(Node::limits_what_is_below);
            above.push(Node { depth, name, whole: table(name).filter(|_| !is_limited), is_limited });
        } else if line.trim_start().starts_with("Index Cond:")
            && let Some(node) = above.last_mut()
        {
            node.whole = None;
        }
    }
    ended.append(&mut above);
    let scan = |table: &str| Scan { table: table.to_owned(), statement: statement.clone() };
    ended.iter().filter_map(|node| node.whole).map(scan).collect()
}

impl Node<'_> {
    /// Whether it ends when a LIMIT has enough: the limit itself, and what only passes rows on to it.
    fn limits_what_is_below(&self) -> bool {
        let passes_on = ["LockRows", "Result", "Subquery Scan", "Append", "Merge Append"];
        let is = |name: &&str| self.name.starts_with(*name);
        is(&"Limit") || (self.is_limited && passes_on.iter().any(is))
    }
}

/// The text of the statement, and the lines of its plan.
fn split(message: &str) -> (String, impl Iterator<Item = &str>) {
    let is_of_plan = |line: &&str| name(line).is_some();
    let text: Vec<&str> = message.lines().skip(1).take_while(|line| !is_of_plan(line)).collect();
    let lines = text.len() + 1;
    let words: Vec<&str> = text.iter().flat_map(|line| line.split_whitespace()).collect();
    (words.join(" "), message.lines().skip(lines))
}

/// What a line says that is a node: "Index Scan using i on t".
fn name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once("  (cost=")?;
    Some(name.trim_start().trim_start_matches("->").trim_start())
}

/// The table that a scan reads.
fn table(name: &str) -> Option<&str> {
    let scans = ["Seq Scan", "Index Scan", "Index Only Scan"];
    scans.iter().find(|scan| name.starts_with(**scan))?;
    name.split_once(" on ")?.1.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "@@@ LOG:  database system is ready
@@seoham@scratch_1 LOG:  duration: 0.1 ms  plan:
\tQuery Text: DELETE FROM outbox o
\t  USING next WHERE o.no = next.no
\tDelete on outbox o  (cost=0.12..8.17 rows=1 width=38)
\t  CTE next
\t    ->  Limit  (cost=0.14..8.16 rows=1 width=8)
\t          ->  LockRows  (cost=0.12..8.14 rows=1 width=8)
\t                ->  Index Only Scan using outbox_pkey on outbox  (cost=0.12..8.14 rows=1 width=8)
\t  ->  Nested Loop  (cost=0.12..8.17 rows=1 width=38)
\t        Join Filter: (o.no = next.no)
\t        ->  Index Scan using outbox_pkey on outbox o  (cost=0.12..8.14 rows=1 width=14)
\t              Filter: (no > 0)
\t        ->  CTE Scan on next  (cost=0.00..0.02 rows=1 width=40)
@@seoham@scratch_2 LOG:  duration: 0.1 ms  plan:
\tQuery Text: SELECT 1
\tSeq Scan on people p  (cost=0.00..1.00 rows=1 width=4)
@@seoham@scratch_1 LOG:  duration: 0.1 ms  plan:
\tQuery Text: SELECT * FROM a JOIN b USING (id)
\tNested Loop  (cost=0.12..8.17 rows=1 width=38)
\t  ->  Index Scan using a_pkey on a  (cost=0.12..8.14 rows=1 width=14)
\t        Index Cond: (id = 1)
\t  ->  Index Scan using b_pkey on b  (cost=0.12..8.14 rows=1 width=14)
\t        Index Cond: (id = a.id)
";

    #[test]
    fn a_scan_without_a_key_is_found_and_its_neighbours_are_not() {
        let scan = |table: &str, statement: &str| Scan { table: table.into(), statement: statement.into() };
        let text = "Query Text: DELETE FROM outbox o USING next WHERE o.no = next.no";
        assert_eq!(whole_scans(LOG, "seoham", "scratch_1"), [scan("outbox", text)]);
        assert_eq!(whole_scans(LOG, "seoham", "scratch_2"), [scan("people", "Query Text: SELECT 1")]);
        assert_eq!(whole_scans(LOG, "seoham", "scratch_3"), []);
        let of = |database| has_plans(LOG, "seoham", database);
        assert_eq!((of("scratch_1"), of("scratch_3"), of("scratch")), (true, false, false));
        assert_eq!(whole_scans(LOG, "psql", "scratch_1"), []);
    }
}
