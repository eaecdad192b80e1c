-- The version before this one can live with it: it knows nothing of the column.
ALTER TABLE "Note" ADD COLUMN "author" TEXT;
