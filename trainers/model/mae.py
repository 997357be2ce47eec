"""MONAI's masked autoencoder with the mask given from outside and a loss for each sample."""

from __future__ import annotations

import warnings

import torch
from monai.networks.nets import MaskedAutoEncoderViT

from trainers.model.patches import hidden_patches_mse, patchify
from trainers.model.shape import MLP_FACTOR, ModelShape
from trainers.model.start import look_near, spread_positions


class MaskedAutoencoder(MaskedAutoEncoderViT):  # type: ignore[misc]  # MONAI ships no types
    """Rebuild the hidden patches of a crop from the visible ones.

    Differs from its base in what training needs and in nothing else (same parameters, same names,
    same output for the same mask in float32):

    * the visible patches are an argument, so a draw has the same mask on any rank and in any batch;
    * the mask tokens follow the precision of the decoder's input, so it runs under bf16 autocast;
    * the starting values leave no plateau (`trainers.model.start`);
    * the layer norms that MONAI builds for cross attention and never calls are frozen, since
      distributed training waits for the gradient of every trainable parameter.
    """

    def __init__(self, shape: ModelShape) -> None:
        with warnings.catch_warnings():  # MONAI calls torch.meshgrid without naming its indexing
            warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)
            super().__init__(
                in_channels=1,
                img_size=shape.crop,
                patch_size=shape.patch,
                hidden_size=shape.hidden,
                mlp_dim=MLP_FACTOR * shape.hidden,
                num_layers=shape.layers,
                num_heads=shape.heads,
                masking_ratio=shape.mask_ratio,
                decoder_hidden_size=shape.decoder_hidden,
                decoder_mlp_dim=MLP_FACTOR * shape.decoder_hidden,
                decoder_num_layers=shape.decoder_layers,
                decoder_num_heads=shape.decoder_heads,
            )
            spread_positions(self.patch_embedding.position_embeddings, shape.grid)
            spread_positions(self.decoder_pos_embedding, shape.grid)
        look_near(self)
        self.shape = shape
        for name, parameter in self.named_parameters():
            if ".norm_cross_attn." in name:
                parameter.requires_grad_(False)

    def forward(self, image: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Loss of each sample (B,), float32: mean squared error over its hidden patches.

        Parameters
        ----------
        image:
            (B, 1, D, H, W), z-scored intensities.
        visible:
            (B, n) int64, the patches shown to the encoder; the others are hidden.
        """
        target = patchify(image, self.shape.patch)
        return hidden_patches_mse(self.rebuild(image, visible), target, visible, self.shape.norm_pix)

    def rebuild(self, image: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Every patch as the decoder sees it, (B, N, voxels in a patch)."""
        x = self.patch_embedding(image)
        x = x.gather(1, visible.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        x = self.decoder_embed(self.blocks(x))
        patches = self._place(x[:, 1:], visible) + self.decoder_pos_embedding
        x = self.decoder_blocks(torch.cat((x[:, :1], patches), dim=1))
        prediction: torch.Tensor = self.decoder_pred(x)[:, 1:]
        return prediction

    def _place(self, encoded: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Encoded patches (B, n, C) put in their places among mask tokens, (B, N, C)."""
        batch, _, width = encoded.shape
        blank: torch.Tensor = self.mask_tokens.to(encoded.dtype).expand(batch, self.shape.tokens, width)
        return blank.scatter(1, visible.unsqueeze(-1).expand(-1, -1, width), encoded)
