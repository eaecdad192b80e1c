const { PrismaLibSQL } = require('@prisma/adapter-libsql');

// Where the app runs: a deploy links the database of the live directory into the new version.
module.exports = () => new PrismaLibSQL({ url: 'file:./notes.db' });
