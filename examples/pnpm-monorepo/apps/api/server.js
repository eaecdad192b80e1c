const express = require('express');

const version = '1';
const app = express();

app.get('/health', (_request, response) => {
  // Ask the database here. A version that cannot reach it is not healthy.
  response.send('ok');
});

app.get('/version', (_request, response) => {
  response.send(version);
});

app.listen(process.env.PORT, () => process.send?.('ready'));
