//! Records in DynamoDB, secrets under a key of KMS, blobs in S3: the server dies while one of them holds a request of it, and what comes
//! out is what comes out without a kill: the same deployment, one machine, and nothing of what is over.

use super::requests::{Moment, Storm, aws, records};

/// The requests that make a preview: `make test` tells the first two of each, `make kills` all.
const OPENED: [Moment; 16] = [
    records("TransactWriteItems", 0),
    aws("kms:Decrypt", 0),
    records("TransactWriteItems", 1),
    records("TransactWriteItems", 2),
    records("TransactWriteItems", 3),
    records("TransactWriteItems", 4),
    records("TransactWriteItems", 5),
    records("TransactWriteItems", 6),
    records("TransactWriteItems", 7),
    records("TransactWriteItems", 8),
    records("PutItem", 0),
    records("PutItem", 1),
    records("UpdateItem", 0),
    aws("s3:PutObject", 0),
    records("Query", 0),
    records("GetItem", 0),
];
/// Those that put another deployment in the place of one.
const PUSHED: [Moment; 15] = [
    aws("s3:PutObject", 0),
    records("TransactWriteItems", 2),
    records("TransactWriteItems", 0),
    records("TransactWriteItems", 1),
    records("TransactWriteItems", 3),
    records("TransactWriteItems", 4),
    records("TransactWriteItems", 5),
    records("TransactWriteItems", 6),
    records("TransactWriteItems", 7),
    records("TransactWriteItems", 8),
    aws("s3:PutObject", 1),
    records("PutItem", 0),
    records("PutItem", 1),
    aws("kms:Decrypt", 0),
    records("GetItem", 3),
];
/// Those that end it.
const CLOSED: [Moment; 7] = [
    records("TransactWriteItems", 0),
    records("TransactWriteItems", 1),
    records("TransactWriteItems", 2),
    records("TransactWriteItems", 3),
    records("UpdateItem", 0),
    records("Query", 0),
    records("GetItem", 0),
];

#[test]
fn kill_while_aws_holds_a_request_and_the_same_deployments_come_of_it() {
    Storm::in_the_cloud().lives_and_dies(&OPENED, &PUSHED, &CLOSED);
}
