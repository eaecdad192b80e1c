const express = require('express');
const adapter = require('./database');
const { PrismaClient } = require('./generated');

const version = '1';
const app = express();
const prisma = new PrismaClient({ adapter: adapter() });

app.use(express.json());

app.get('/health', async (_request, response) => {
  await prisma.note.count();
  response.send('ok');
});

app.get('/version', (_request, response) => {
  response.send(version);
});

app.get('/notes', async (_request, response) => {
  response.send(await prisma.note.findMany());
});

app.post('/notes', async (request, response) => {
  response.status(201).send(await prisma.note.create({ data: { text: request.body.text } }));
});

app.listen(process.env.PORT, () => process.send?.('ready'));
