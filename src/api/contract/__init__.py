"""What the HTTP interface takes and answers: bodies, operations, answers, problems, cursors."""
